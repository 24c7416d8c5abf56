"""Nodes and where they are: one step for a node with its place, moving it, ending a stay."""

from datetime import datetime

import msgspec
import psycopg
from msgspec import UNSET

from server.registry import change, read
from server.registry.entries import Deployment, Node
from server.registry.errors import RegistryError
from server.registry.read import Row


def add_deployed_node(conn: psycopg.Connection, node: Node, stay: Deployment) -> tuple[Row, Row]:
    """Enter a node and its place in one step; call within `changing`.

    Unless given, the node's `created_at` is where its stay begins: records from before are held.
    """
    if node.created_at is UNSET:
        node = msgspec.structs.replace(node, created_at=stay.from_t)
    return change.add(conn, node), change.add(conn, stay)


def end_stay(conn: psycopg.Connection, node_id: str, at: datetime) -> Row:
    """End the stay of a node that is still somewhere; raises `RegistryError` when it isn't."""
    read.shown(conn, "node", node_id)
    open_stays = [row for row in read.listed(conn, "deployment", node_id=node_id)
                  if row["to_t"] is None]  # fmt: skip
    if not open_stays:
        raise RegistryError(f"{node_id} is nowhere now; see msl deployment list --node {node_id}")
    (stay,) = open_stays
    if at <= stay["from_t"]:
        raise RegistryError(
            f"{node_id} is at {stay['site_id']} from {stay['from_t'].isoformat()};"
            f" {at.isoformat()} is not after that"
        )
    return change.set_columns(conn, "deployment", stay["deployment_id"], to_t=at)


def remove_stay(conn: psycopg.Connection, deployment_id: int) -> Row:
    """Take back a stay entered by mistake; its audit stays."""
    row = read.shown(conn, "deployment", deployment_id)
    conn.execute("DELETE FROM deployment WHERE deployment_id = %s", [deployment_id])
    return row
