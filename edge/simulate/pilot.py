"""A pilot of emulated nodes: one file that names the broker and every node's settings."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import SettingsError
from edge.settings import Settings, Value, flatten, from_values, render

# What an emulated node is unless its file says otherwise.
EMULATED: dict[str, Value] = {
    "trust_clock": "always",
    "simulated": True,
    "light.source": "emulated:opt3001",
    "noise.source": "emulated",
}

EXAMPLE = """\
# Settings of every node; msl-node settings lists all of them.
[defaults.broker]
host = "127.0.0.1"
port = 8883
ca_file = "certificates/ca.pem"

[defaults.windows]
light_s = 10
noise_s = 10
health_s = 10

[[node]]
node_id = "sim-park-1"
latitude_deg = 52.52
longitude_deg = 13.40
seed = 1
broker.cert_file = "certificates/sim-park-1.pem"
broker.key_file = "certificates/sim-park-1.key"

[[node]]
node_id = "sim-park-2"
latitude_deg = 52.53
longitude_deg = 13.41
seed = 2
light.lamp_works = false
broker.cert_file = "certificates/sim-park-2.pem"
broker.key_file = "certificates/sim-park-2.key"
"""


@dataclass(frozen=True)
class SimulatedNode:
    """One node of the pilot, with paths made absolute."""

    values: dict[str, Value]

    @property
    def node_id(self) -> str:
        return str(self.values["node_id"])

    def settings(self, folder: Path) -> Settings:
        """Its settings, with its state in `folder`."""
        return from_values(self.values, folder)

    def write(self, folder: Path) -> Path:
        """Write its settings file into `folder` and return it."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "node.toml"
        file.write_text(render(self.values))
        return file


def load_pilot(file: Path) -> list[SimulatedNode]:
    """The nodes of a pilot file, TOML or JSON; paths in it start from its folder.

    Raises `SettingsError` that names the node and what can't be used.
    """
    tree = _read(file)
    unknown = set(tree) - {"defaults", "node"}
    if unknown or not isinstance(tree.get("node"), list) or not tree["node"]:
        raise SettingsError(f"pilot {file} needs [[node]] tables and may have [defaults]")
    defaults = flatten(tree.get("defaults", {}))
    nodes = [
        _node(number, defaults | flatten(own), file) for number, own in enumerate(tree["node"], 1)
    ]
    names = [node.node_id for node in nodes]
    if len(set(names)) != len(names):
        raise SettingsError(f"pilot {file} names a node twice: {', '.join(sorted(names))}")
    return nodes


def _node(number: int, own: Mapping[str, Any], file: Path) -> SimulatedNode:
    seed = own.get("seed", number)
    values: dict[str, Value] = {
        **EMULATED,
        "seed": seed,
        "footfall.source": f"scene:seed={seed};people=6;sky=1",
        **own,
    }
    for name in ("broker.ca_file", "broker.cert_file", "broker.key_file"):
        if values.get(name):
            values[name] = str((file.parent / str(values[name])).absolute())
    try:
        from_values(values, file.parent)
    except SettingsError as error:
        raise SettingsError(f"pilot {file}, node {number}: {error}") from None
    return SimulatedNode(values)


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text()
        tree = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"pilot {file} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"pilot {file}: {error}") from error
    if not isinstance(tree, dict):
        raise SettingsError(f"pilot {file} needs [[node]] tables")
    return tree
