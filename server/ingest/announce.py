"""Say that something new is in: who listens is woken when the transaction commits."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
import psycopg

from contract.streams import Stream

CHANNEL = "ingested"
# A notification holds 8000 bytes; beyond this many nodes a listener looks at all of them anyway.
MAX_NODES = 100


class Ingested(msgspec.Struct):
    """The payload: streams with new rows, and whose; `nodes` null means many."""

    streams: list[Stream]
    nodes: list[str] | None


def announce(cur: psycopg.Cursor[Any], touched: Mapping[Stream, Collection[str]]) -> None:
    """Notify `CHANNEL` of new rows, if there are any."""
    if not touched:
        return
    nodes = sorted(set().union(*touched.values()))
    payload = Ingested(sorted(touched), nodes if len(nodes) <= MAX_NODES else None)
    cur.execute("SELECT pg_notify(%s, %s)", (CHANNEL, msgspec.json.encode(payload).decode()))
