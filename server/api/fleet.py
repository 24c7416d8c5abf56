"""Every node with what its streams last said: one snapshot that API and page are made from.

Never a scan of raw data: the ledger has a handful of rows a node, and the latest record of a
stream is one step down the index on (node_id, t DESC), within `LOOK_BACK`.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import psycopg
from psycopg.rows import class_row, dict_row

from contract.flags import Flag, flags_to_bits
from contract.streams import Stream
from server.api import fleet_sql
from server.api.coverage import CoverageToday, spans_today
from server.api.quantities import QUANTITIES

# Beyond this a value is history, not the latest state; the ledger still says when it came.
LOOK_BACK = timedelta(days=7)

Connection = psycopg.Connection[Any]
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node, the site it stands at now, and the latest birth or will of its connection."""

    node_id: str
    lab_id: str
    state: str
    simulated: bool
    created_at: datetime
    site_id: str | None
    site_name: str | None
    tz: str | None
    link: str | None
    link_at: datetime | None


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What has been received of one stream of a node, over all its spools.

    `complete_to` belongs to `spool`, the one last heard of; the counts are of records.
    """

    node_id: str
    stream: str
    spool: str
    first_at: datetime
    last_at: datetime
    last_new_at: datetime | None
    complete_to: int
    stored_n: int
    missing_n: int
    held_n: int
    rejected_n: int
    lost_n: int
    held_reason: str | None = None


@dataclass(frozen=True, slots=True)
class LineCount:
    """Crossings of one line in one window; None when the node was blind."""

    line: str
    a_to_b: int | None
    b_to_a: int | None


@dataclass(frozen=True, slots=True)
class LatestRecord:
    """The newest accepted record of a stream; `values` by column name, null as None."""

    node_id: str
    t: datetime
    received_at: datetime
    dur_s: float
    valid_s: float
    flags: int
    values: dict[str, float | None]
    lines: tuple[LineCount, ...] = ()

    @property
    def closes_at(self) -> datetime:
        """End of the window."""
        return self.t + timedelta(seconds=self.dur_s)


@dataclass(frozen=True, slots=True)
class SensorNote:
    """What the node's health says about one sensor."""

    sensor: str
    state: str
    since: datetime | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """A dated correction: corrected = gain x reading + offset."""

    calibration_id: int
    quantity: str
    line: str | None
    from_t: datetime
    gain: float
    offset: float
    uncertainty: float | None
    reference: str


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a snapshot."""

    row: NodeRow
    ledger: dict[Stream, LedgerRow] = field(default_factory=dict)
    latest: dict[Stream, LatestRecord] = field(default_factory=dict)
    sensors: tuple[SensorNote, ...] = ()
    calibrations: tuple[Calibration, ...] = ()
    coverage: dict[Stream, float] | None = field(default_factory=dict)  # None: not known now


@dataclass(frozen=True, slots=True)
class Fleet:
    """All nodes at one moment of the database's clock."""

    at: datetime
    nodes: tuple[Node, ...]


def load_fleet(
    conn: Connection, *, node_id: str | None = None, coverage: CoverageToday | None = None
) -> Fleet:
    """A snapshot of every node, or of one; no node when `node_id` is unknown.

    All queries see one state of the database, so that a node never has a value its ledger lacks.
    Coverage may be a minute old; without `coverage` it is left out.
    """
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        at = _one(conn, "SELECT now()")
        rows = _rows(conn, NodeRow, fleet_sql.NODES, {"node_id": node_id})
        node_ids = [row.node_id for row in rows]
        ledger = _ledger(conn, node_ids)
        latest, sensors = _latest(conn, node_ids, at - LOOK_BACK)
        calibrations = _calibrations(conn, node_ids)
    covered: dict[str, dict[Stream, float]] | None = {}
    if coverage is not None:
        # Nothing is due of a retired node.
        zones = {row.node_id: row.tz for row in rows if row.state != "retired"}
        spans = spans_today(at, zones, _first_seen(ledger), _windows_s(latest))
        covered = coverage.load(conn, at, spans)
    return Fleet(
        at,
        tuple(
            Node(
                row,
                ledger.get(row.node_id, {}),
                latest.get(row.node_id, {}),
                sensors.get(row.node_id, ()),
                tuple(calibrations.get(row.node_id, ())),
                None if covered is None else covered.get(row.node_id, {}),
            )
            for row in rows
        ),
    )


def _ledger(conn: Connection, node_ids: list[str]) -> dict[str, dict[Stream, LedgerRow]]:
    found: dict[str, dict[Stream, LedgerRow]] = defaultdict(dict)
    for row in _rows(conn, LedgerRow, fleet_sql.LEDGER, {"node_ids": node_ids}):
        found[row.node_id][Stream(row.stream)] = row
    for stream in Stream:
        held = [of[stream] for of in found.values() if stream in of and of[stream].held_n]
        if held:
            _add_held_reasons(conn, stream, held, found)
    return found


def _first_seen(ledger: dict[str, dict[Stream, LedgerRow]]) -> dict[str, datetime]:
    return {node_id: min(row.first_at for row in of.values()) for node_id, of in ledger.items()}


def _windows_s(latest: dict[str, dict[Stream, LatestRecord]]) -> dict[str, dict[Stream, float]]:
    """How long each node's windows are, by its newest whole ones."""
    cut = flags_to_bits([Flag.PARTIAL])
    return {
        node_id: {stream: record.dur_s for stream, record in of.items() if not record.flags & cut}
        for node_id, of in latest.items()
    }


def _add_held_reasons(
    conn: Connection,
    stream: Stream,
    held: Iterable[LedgerRow],
    found: dict[str, dict[Stream, LedgerRow]],
) -> None:
    held = list(held)
    keys = {"node_ids": [row.node_id for row in held], "spools": [row.spool for row in held]}
    for node_id, reason in conn.execute(fleet_sql.held_reason(stream), keys):
        found[node_id][stream] = replace(found[node_id][stream], held_reason=reason)


def _latest(
    conn: Connection, node_ids: list[str], since: datetime
) -> tuple[dict[str, dict[Stream, LatestRecord]], dict[str, tuple[SensorNote, ...]]]:
    latest: dict[str, dict[Stream, LatestRecord]] = defaultdict(dict)
    sensors: dict[str, tuple[SensorNote, ...]] = {}
    keys = {"node_ids": node_ids, "since": since}
    for stream in (Stream.LIGHT, Stream.NOISE, Stream.FOOTFALL, Stream.HEALTH):
        with conn.cursor(row_factory=dict_row) as cursor:
            for row in cursor.execute(fleet_sql.latest(stream), keys):
                latest[row["node_id"]][stream] = _as_record(stream, row)
                if stream is Stream.HEALTH:
                    sensors[row["node_id"]] = _as_sensors(row["sensors"])
    return latest, sensors


def _as_record(stream: Stream, row: dict[str, Any]) -> LatestRecord:
    return LatestRecord(
        node_id=row["node_id"],
        t=row["t"],
        received_at=row["received_at"],
        dur_s=row["dur_s"],
        valid_s=row["valid_s"],
        flags=row["flags"],
        values={quantity.name: row[quantity.name] for quantity in QUANTITIES[stream]},
        lines=tuple(LineCount(**line) for line in row.get("lines", ())),
    )


def _as_sensors(sensors: list[dict[str, Any]]) -> tuple[SensorNote, ...]:
    return tuple(
        SensorNote(
            str(note.get("sensor", "?")),
            str(note.get("state", "?")),
            datetime.fromtimestamp(note["since"] / 1000, UTC) if note.get("since") else None,
            note.get("detail"),
        )
        for note in sensors
    )


def _calibrations(conn: Connection, node_ids: list[str]) -> dict[str, list[Calibration]]:
    found: dict[str, list[Calibration]] = defaultdict(list)
    with conn.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(fleet_sql.CALIBRATIONS, {"node_ids": node_ids}):
            found[row.pop("node_id")].append(Calibration(**row))
    return found


def _rows(conn: Connection, kind: type[Row], query: str, keys: dict[str, Any]) -> list[Row]:
    with conn.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query, keys).fetchall()


def _one(conn: Connection, query: str) -> Any:
    row = conn.execute(query).fetchone()
    return row[0] if row else None
