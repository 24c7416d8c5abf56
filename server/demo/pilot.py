"""The simulated pilot: one lab, three sites, two nodes at each, and what differs between them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from server.registry.change import changing, ensure
from server.registry.entries import Deployment, Lab, Lamp, Node, Site

LAB = Lab(lab_id="demo-lab", name="Demonstration lab (simulated)")
SITES = (
    Site(
        site_id="market-square", lab_id="demo-lab", name="Market square", tz="Europe/Madrid",
        latitude=40.4154, longitude=-3.7074, lighting_class="P3",
    ),
    Site(
        site_id="river-walk", lab_id="demo-lab", name="River walk", tz="Europe/Madrid",
        latitude=40.4130, longitude=-3.7213, lighting_class="P4",
    ),
    Site(
        site_id="station-yard", lab_id="demo-lab", name="Station yard", tz="Europe/Madrid",
        latitude=40.4067, longitude=-3.6906, lighting_class="P2",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class PilotNode:
    """One emulated node, and what its street is like beyond the emulation's defaults."""

    node_id: str
    site_id: str
    seed: int
    people_per_min: int
    settings: Mapping[str, Any] = field(default_factory=dict)


NODES = (
    PilotNode("market-01", "market-square", 1, 10),
    PilotNode("market-02", "market-square", 2, 8),
    PilotNode("river-01", "river-walk", 3, 3),
    # A lamp that never burns: what the engineer's page is for.
    PilotNode("river-02", "river-walk", 4, 2, {"light.lamp_works": False}),
    PilotNode("station-01", "station-yard", 5, 12),
    PilotNode("station-02", "station-yard", 6, 6),
)

# Short windows, so that something is to be seen at once. Footfall keeps the floor of five
# minutes: shorter ones would follow single people.
WINDOWS = {"light_s": 10, "noise_s": 10, "health_s": 10, "footfall_s": 300}


def node_ids() -> list[str]:
    """In the order of the page."""
    return [node.node_id for node in NODES]


def register(conn: psycopg.Connection, since: datetime) -> None:
    """Enter lab, sites, nodes and where they stand, as from `since`."""
    with changing(conn, "msl demo"):
        for entry in (LAB, *SITES):
            ensure(conn, entry)
        for node in NODES:
            ensure(
                conn,
                Node(
                    node_id=node.node_id,
                    lab_id=LAB.lab_id,
                    state="commissioned",
                    simulated=True,
                    created_at=since,
                ),
            )
            ensure(conn, Deployment(node_id=node.node_id, site_id=node.site_id, from_t=since))
            # Each hangs under a lamp, of one feeder a site.
            ensure(conn, Lamp(node_id=node.node_id, from_t=since, rated_w=36))


def write_simulation(
    file: Path, *, broker_port: int, ca_file: Path, certificates: Mapping[str, tuple[Path, Path]]
) -> None:
    """Write what `msl-node simulate` reads.

    Args:
        certificates: Certificate and key file of each node.
    """
    places = {site.site_id: site for site in SITES}
    nodes = []
    for node in NODES:
        certificate, key = certificates[node.node_id]
        place = places[node.site_id]
        nodes.append(
            {
                "node_id": node.node_id,
                "seed": node.seed,
                "latitude_deg": place.latitude,
                "longitude_deg": place.longitude,
                "footfall.source": f"scene:seed={node.seed};people={node.people_per_min};sky=1",
                "broker.cert_file": str(certificate),
                "broker.key_file": str(key),
                **node.settings,
            }
        )
    defaults = {
        "broker": {"host": "127.0.0.1", "port": broker_port, "ca_file": str(ca_file)},
        "windows": WINDOWS,
    }
    file.write_text(json.dumps({"defaults": defaults, "node": nodes}, indent=2))
