"""A whole pilot from one TOML file, as often as you like: what is so already stays untouched."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec
import psycopg
from msgspec import UNSET

from server.registry import change
from server.registry.entries import (
    Calibration,
    Deployment,
    Entry,
    Exclusion,
    Intervention,
    Lab,
    Lamp,
    Node,
    Site,
)
from server.registry.errors import RegistryError


class Pilot(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[[lab]]`, `[[site]]`, … with the fields of `entries.py`, in any order."""

    lab: list[Lab] = []
    site: list[Site] = []
    node: list[Node] = []
    deployment: list[Deployment] = []
    calibration: list[Calibration] = []
    lamp: list[Lamp] = []
    exclusion: list[Exclusion] = []
    intervention: list[Intervention] = []

    def entries(self) -> list[Entry]:
        """All of them, what is referred to before what refers.

        A node that isn't said to be created some day is so when its first stay here begins.
        """
        begins: dict[str, datetime] = {}
        for stay in sorted(self.deployment, key=lambda stay: stay.from_t, reverse=True):
            begins[stay.node_id] = stay.from_t
        nodes = [
            msgspec.structs.replace(node, created_at=begins[node.node_id])
            if node.created_at is UNSET and node.node_id in begins
            else node
            for node in self.node
        ]
        dated = (
            self.deployment, self.calibration, self.lamp, self.exclusion, self.intervention,
        )  # fmt: skip
        return [*self.lab, *self.site, *nodes, *(entry for some in dated for entry in some)]


@dataclass(frozen=True)
class Loaded:
    """What a load changed, table by table, and how many entries were so already."""

    changed: dict[str, int] = field(default_factory=dict)
    unchanged_n: int = 0


def read_pilot(file: Path) -> Pilot:
    """The file's entries; raises `RegistryError` naming the file and the field."""
    try:
        return msgspec.toml.decode(file.read_bytes(), type=Pilot)
    except OSError as error:
        raise RegistryError(f"{file} can't be read: {error.strerror}") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise RegistryError(f"{file}: {error}") from error


def load_pilot(conn: psycopg.Connection, pilot: Pilot, actor: str) -> Loaded:
    """Make the registry hold what `pilot` says, in one transaction.

    Raises:
        RegistryError: Something doesn't fit; nothing was changed.
    """
    changed: dict[str, int] = {}
    unchanged_n = 0
    with change.changing(conn, actor):
        for entry in pilot.entries():
            table = type(entry).__name__.lower()
            if change.ensure(conn, entry) is None:
                unchanged_n += 1
            else:
                changed[table] = changed.get(table, 0) + 1
    return Loaded(changed, unchanged_n)
