"""A small pilot, written straight into the tables: what ingest would have left there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from contract.flags import Flag, flags_to_bits
from contract.streams import DEFAULT_WINDOW_S, Stream
from server.ingest.announce import announce

SPOOL = "abcdefgh"
BOOT = "0" * 32
# What a record has besides the common columns, unless a test says otherwise.
PLAIN: dict[Stream, dict[str, Any]] = {
    Stream.LIGHT: {
        "lux_p10": 10.5, "lux_p50": 12.3, "lux_p90": 14, "lux_max": 80,
        "samples_n": 300, "sensor": "opt3001",
    },
    Stream.NOISE: {
        "laeq": 54.2, "lafmax": 71, "lafmin": 40, "la10": 57, "la50": 51, "la90": 44, "lceq": 62,
        "overload_n": 0, "lost_n": 0, "laf_class": [102, 108], "laf_n": [240, 240],
    },
    Stream.FOOTFALL: {"occupancy": 1.5, "fps": 10, "scene_luma": 90, "geometry_rev": 1},
    Stream.HEALTH: {
        "uptime_s": 86_400, "cpu_c": 51, "spool_records_n": 2, "spool_days_left": 30,
        "clock_synced": True, "sensors": Jsonb([]),
    },
    Stream.EVENT: {"kind": "restart", "body": Jsonb({"kind": "restart", "reason": "start"})},
}  # fmt: skip
NULLABLE = {
    Stream.LIGHT: ("lux_p10", "lux_p50", "lux_p90", "lux_max"),
    Stream.NOISE: ("laeq", "lafmax", "lafmin", "la10", "la50", "la90", "lceq"),
    Stream.FOOTFALL: ("occupancy",),
}


def minute(at: datetime, length_s: int = 60) -> datetime:
    """Start of the newest window that has closed at `at`."""
    return datetime.fromtimestamp((int(at.timestamp()) // length_s - 1) * length_s, UTC)


@dataclass
class Pilot:
    """Writes registry and records as the superuser; `seq` counts for itself."""

    conn: psycopg.Connection[Any]
    seq: dict[tuple[str, str, Stream], int] = field(default_factory=dict)

    def site(self, site_id: str, name: str | None = None, tz: str = "Europe/Madrid") -> None:
        """A site of lab `lab`, which is made when it isn't there."""
        self.conn.execute("INSERT INTO lab VALUES ('lab', 'Lab') ON CONFLICT DO NOTHING")
        self.conn.execute(
            "INSERT INTO site (site_id, lab_id, name, tz, latitude, longitude)"
            " VALUES (%s, 'lab', %s, %s, 40.4, -3.7)",
            [site_id, name or site_id, tz],
        )

    def node(
        self,
        node_id: str,
        site_id: str | None = None,
        *,
        state: str = "commissioned",
        simulated: bool = False,
        age: timedelta = timedelta(days=30),
    ) -> None:
        """A node, standing at a site since it was made."""
        self.conn.execute("INSERT INTO lab VALUES ('lab', 'Lab') ON CONFLICT DO NOTHING")
        self.conn.execute(
            "INSERT INTO node (node_id, lab_id, state, simulated, created_at)"
            " VALUES (%s, 'lab', %s, %s, now() - %s)",
            [node_id, state, simulated, age],
        )
        if site_id is not None:
            self.conn.execute(
                "INSERT INTO deployment (node_id, site_id, from_t) VALUES (%s, %s, now() - %s)",
                [node_id, site_id, age],
            )

    def record(
        self,
        node_id: str,
        stream: Stream,
        t: datetime,
        *,
        spool: str = SPOOL,
        valid_s: float | None = None,
        dur_s: float | None = None,
        flags: tuple[Flag, ...] = (),
        lines: Mapping[str, tuple[int | None, int | None]] | None = None,
        received_at: datetime | None = None,
        **columns: Any,
    ) -> None:
        """One stored record, in the ledger as well."""
        seq = self._next_seq(node_id, spool, stream)
        dur_s = DEFAULT_WINDOW_S.get(stream, 0) if dur_s is None else dur_s
        valid_s = dur_s if valid_s is None else valid_s
        row = {
            **PLAIN[stream],
            **({} if valid_s else dict.fromkeys(NULLABLE.get(stream, ()))),
            **columns,
            "t": t, "seq": seq, "received_at": received_at or t + timedelta(seconds=dur_s + 1),
            "origin_id": 1, "flags": flags_to_bits(flags), "dur_s": dur_s, "valid_s": valid_s,
            "node_id": node_id, "spool": spool,
        }  # fmt: skip
        self._insert(f"{stream}_raw", row)
        for line, (a_to_b, b_to_a) in (lines or {}).items():
            self._insert(
                "footfall_line_raw",
                {
                    "t": t, "seq": seq, "node_id": node_id, "spool": spool, "line": line,
                    "a_to_b": a_to_b, "b_to_a": b_to_a,
                },
            )  # fmt: skip
        self.conn.execute(
            "INSERT INTO rollup_mark (node_id, stream, hour) VALUES (%s, %s, date_trunc('hour',"
            " %s::timestamptz, 'UTC'))",
            [node_id, stream.value, t],
        )
        self.ledger(node_id, stream, "stored", seq, seq, spool=spool, at=row["received_at"])

    def ledger(
        self,
        node_id: str,
        stream: Stream,
        column: str,
        first: int,
        last: int,
        *,
        spool: str = SPOOL,
        at: datetime | None = None,
    ) -> None:
        """Account for a range of `seq`: stored, rejected, held or lost."""
        self.conn.execute(
            f"INSERT INTO ledger AS l (node_id, spool, stream, {column}, first_at, last_at,"
            " last_new_at) VALUES (%(node)s, %(spool)s, %(stream)s,"
            " int8multirange(int8range(%(first)s, %(last)s, '[]')), %(at)s, %(at)s, %(at)s)"
            f" ON CONFLICT (node_id, spool, stream) DO UPDATE SET {column} = l.{column} +"
            f" excluded.{column}, first_at = least(l.first_at, excluded.first_at),"
            " last_at = greatest(l.last_at, excluded.last_at),"
            " last_new_at = greatest(l.last_new_at, excluded.last_new_at)",
            {
                "node": node_id, "spool": spool, "stream": stream.value, "first": first,
                "last": last, "at": at or datetime.now(UTC),
            },
        )  # fmt: skip

    def hold(self, node_id: str, reason: str, t: datetime) -> None:
        """One light record whose time is not believed."""
        seq = self._next_seq(node_id, SPOOL, Stream.LIGHT)
        row = {
            **PLAIN[Stream.LIGHT], "t": t, "seq": seq, "received_at": datetime.now(UTC),
            "origin_id": 1, "flags": 0, "dur_s": 60, "valid_s": 60, "node_id": node_id,
            "spool": SPOOL, "reason": reason,
        }  # fmt: skip
        self._insert("held_light", row)
        self.ledger(node_id, Stream.LIGHT, "held", seq, seq)

    def status(self, node_id: str, state: str, at: datetime) -> None:
        """A birth or a will."""
        self._insert(
            "node_status",
            {
                "received_at": at, "node_id": node_id, "state": state, "boot": BOOT,
                "rev": "0.1.0", "spool": SPOOL,
            },
        )  # fmt: skip

    def calibrate(self, node_id: str, quantity: str, from_t: datetime, **columns: Any) -> None:
        """A dated calibration."""
        row = {"node_id": node_id, "quantity": quantity, "from_t": from_t, "reference": "lab 7"}
        self._insert("calibration", {**row, **columns})

    def notify(self, *streams: Stream) -> None:
        """What ingest says at the end of its transaction."""
        with self.conn.cursor() as cursor:
            announce(cursor, {stream: ["any"] for stream in streams})

    def _next_seq(self, node_id: str, spool: str, stream: Stream) -> int:
        seq = self.seq.get((node_id, spool, stream), 0) + 1
        self.seq[node_id, spool, stream] = seq
        return seq

    def _insert(self, table: str, row: dict[str, Any]) -> None:
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join(f"%({name})s" for name in row)
        self.conn.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", row)
