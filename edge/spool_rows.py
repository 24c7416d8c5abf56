"""Rows of the spool: what one transaction writes, freezes, drops and deletes.

Every function works inside a transaction that `edge.spool` opened, so a kill at any point leaves
either all of it or nothing.
"""

import sqlite3
from dataclasses import dataclass

import msgspec

from contract.flags import Flag
from contract.json import encode
from contract.limits import CLOCK_WAIT_S, MAX_T_MS, MIN_T_MS
from contract.records import Record
from contract.streams import Stream
from edge.clock import Clock

# What a row costs besides its body: ids, times, two index entries.
ROW_BYTES = 96
# Records set aside that are kept for somebody to look at.
QUARANTINE_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Origin:
    """What made a record; it stands in the header of the batch that carries it."""

    boot: str
    rev: str
    sens_db: float | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A record on its way into the spool.

    Attributes:
        start_boot_s: Boot time of its start while `t` waits for the clock; None once `t` is final.
    """

    stream: Stream
    record: Record
    origin: Origin
    made_ms: int
    made_boot_s: float
    start_boot_s: float | None


@dataclass(frozen=True, slots=True)
class Dropped:
    """Records of one stream that went because the spool was full."""

    stream: Stream
    first: int
    last: int


def to_t_ms(utc_s: float) -> int:
    """Wall time as a record's `t`; a clock that was never set is kept inside the contract."""
    return min(max(round(utc_s * 1000), MIN_T_MS), MAX_T_MS)


class Inserts:
    """The new records of one transaction: they get their `seq` here and are written by `finish`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._origins: dict[Origin, int] = {}
        self._rows: list[tuple[object, ...]] = []
        self._ends_ms: dict[Stream, int] = {}
        self._next = {
            Stream(name): seq
            for name, seq in connection.execute("SELECT stream, next_seq FROM stream")
        }

    def add(self, made: Made) -> int:
        """Number a record; return the bytes it takes."""
        stream, record = made.stream, made.record
        record.seq = self._next[stream]
        self._next[stream] += 1
        # Checked when it was appended; only `seq` has changed since.
        body = encode(record)
        self._rows.append(
            (
                stream.value,
                record.seq,
                self._origin_id(made.origin),
                made.made_ms,
                made.made_boot_s,
                made.start_boot_s,
                body,
            )
        )
        if made.start_boot_s is None:
            self._ends_ms[stream] = end_ms(record.t, record.dur_s)
        return len(body) + ROW_BYTES

    def finish(self) -> None:
        """Write the records, and how far each stream has come."""
        self._connection.executemany(
            "INSERT INTO record (stream, seq, origin, made_ms, made_boot_s, start_boot_s, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            self._rows,
        )
        self._connection.executemany(
            "UPDATE stream SET next_seq = ?1 WHERE stream = ?2 AND next_seq < ?1",
            [(seq, stream.value) for stream, seq in self._next.items()],
        )
        for stream, ended_ms in self._ends_ms.items():
            note_end(self._connection, stream, ended_ms)
        self._rows.clear()
        self._ends_ms.clear()

    def _origin_id(self, origin: Origin) -> int:
        if origin not in self._origins:
            self._origins[origin] = _origin_id(self._connection, origin)
        return self._origins[origin]


def end_ms(t_ms: int, dur_s: float) -> int:
    """End of the window that began at `t_ms`, UTC."""
    return t_ms + round(dur_s * 1000)


def note_end(connection: sqlite3.Connection, stream: Stream, ended_ms: int) -> None:
    """Remember how far a stream's settled windows reach."""
    if stream is not Stream.EVENT:
        connection.execute(
            "UPDATE stream SET last_end_ms = ? WHERE stream = ?", (ended_ms, stream.value)
        )


def next_seq(connection: sqlite3.Connection, stream: Stream) -> int:
    row = connection.execute("SELECT next_seq FROM stream WHERE stream = ?", (stream.value,))
    seq: int = row.fetchone()[0]
    return seq


def lowest(connection: sqlite3.Connection, stream: Stream) -> int:
    """The lowest `seq` still held, or the next one when nothing is."""
    row = connection.execute("SELECT min(seq) FROM record WHERE stream = ?", (stream.value,))
    seq: int | None = row.fetchone()[0]
    return next_seq(connection, stream) if seq is None else seq


def unbroken(
    connection: sqlite3.Connection,
    stream: Stream,
    after_seq: int,
    *,
    max_records: int,
    max_bytes: int,
) -> tuple[int, Origin, list[bytes]] | None:
    """(first `seq`, origin, bodies) of the settled records after `after_seq` that fit.

    They end where a `seq` is missing or another origin begins; the first comes whatever its size.
    """
    rows = connection.execute(
        "SELECT r.seq, r.body, o.boot, o.rev, o.sens_db FROM record r"
        " JOIN origin o ON o.id = r.origin WHERE r.stream = ? AND r.seq > ?"
        " AND r.start_boot_s IS NULL ORDER BY r.seq LIMIT ?",
        (stream.value, after_seq, max_records),
    )
    head = rows.fetchone()
    if head is None:
        return None
    first, body, *made_by = head
    origin, blobs, size = Origin(*made_by), [body], len(body) + 1
    for seq, body, *made_by in rows:
        size += len(body) + 1
        if seq != first + len(blobs) or Origin(*made_by) != origin or size > max_bytes:
            break
        blobs.append(body)
    return first, origin, blobs


def delete_through(connection: sqlite3.Connection, stream: Stream, seq: int) -> int:
    """Delete what the server has; return the bytes that frees."""
    where = "FROM record WHERE stream = ? AND seq <= ?"
    size = f"SELECT coalesce(sum(length(body) + {ROW_BYTES}), 0) {where}"
    freed: int = connection.execute(size, (stream.value, seq)).fetchone()[0]
    connection.execute(f"DELETE {where}", (stream.value, seq))
    return freed


def drop_oldest(connection: sqlite3.Connection, at_least_bytes: int) -> tuple[list[Dropped], int]:
    """Drop the oldest records of all streams; return which, and the bytes that frees.

    A stream's records are as old as their `seq` says, so each loses a beginning, never a middle,
    and its `low` alone tells what went.
    """
    ranges: dict[Stream, tuple[int, int]] = {}
    freed, last_id = 0, 0
    rows = connection.execute("SELECT id, stream, seq, length(body) FROM record ORDER BY id")
    for row_id, name, seq, size in rows:
        first, _ = ranges.get(Stream(name), (seq, seq))
        ranges[Stream(name)] = (first, seq)
        freed += size + ROW_BYTES
        last_id = row_id
        if freed >= at_least_bytes:
            break
    connection.execute("DELETE FROM record WHERE id <= ?", (last_id,))
    return [Dropped(stream, *bounds) for stream, bounds in ranges.items()], freed


def set_aside_record(
    connection: sqlite3.Connection, stream: Stream, seq: int, reason: str, now_ms: int
) -> int:
    """Move a record into quarantine; return the bytes that frees (0: it isn't held any more)."""
    key = (stream.value, seq)
    row = connection.execute("SELECT body FROM record WHERE stream = ? AND seq = ?", key).fetchone()
    if row is None:
        return 0
    connection.execute(
        "INSERT INTO quarantine VALUES (?, ?, ?, ?, ?)", (*key, now_ms, reason, row[0])
    )
    connection.execute("DELETE FROM record WHERE stream = ? AND seq = ?", key)
    connection.execute(
        "DELETE FROM quarantine WHERE set_aside_ms <= (SELECT set_aside_ms FROM quarantine"
        " ORDER BY set_aside_ms DESC LIMIT 1 OFFSET ?)",
        (QUARANTINE_KEPT,),
    )
    return len(row[0]) + ROW_BYTES


def freeze(connection: sqlite3.Connection, clock: Clock, boot: str) -> None:
    """Settle `t` of records that waited for the clock.

    In sync now: `t` is counted back on the boot clock. Made in an earlier boot, or waited for
    `CLOCK_WAIT_S`: they go as they are, flagged, for nothing will ever tell their time.

    Only `t` and the flags are touched, whatever else is in a record: it may be of an earlier
    software, whose records this one can't read any more.
    """
    waiting = connection.execute(
        "SELECT r.id, r.stream, o.boot, r.made_boot_s, r.start_boot_s, r.body"
        " FROM record r JOIN origin o ON o.id = r.origin WHERE r.start_boot_s IS NOT NULL"
    ).fetchall()
    if not waiting:
        return
    synced, boot_now_s = clock.synced(), clock.boot_s()
    utc_at_boot_s = clock.utc_s() - boot_now_s
    for row_id, name, row_boot, made_boot_s, start_boot_s, body in waiting:
        stream = Stream(name)
        record = msgspec.json.decode(body)
        if row_boot == boot and synced:
            record["t"] = to_t_ms(utc_at_boot_s + start_boot_s)
            note_end(connection, stream, end_ms(record["t"], record["dur_s"]))
        elif row_boot != boot or boot_now_s - made_boot_s > CLOCK_WAIT_S:
            record["flags"] = [*record["flags"], Flag.CLOCK_UNSYNCED]
        else:
            continue
        connection.execute(
            "UPDATE record SET start_boot_s = NULL, body = ? WHERE id = ?",
            (encode(record), row_id),
        )


def held_bytes(connection: sqlite3.Connection) -> int:
    row = connection.execute(f"SELECT sum(length(body) + {ROW_BYTES}) FROM record")  # noqa: S608
    return row.fetchone()[0] or 0


def _origin_id(connection: sqlite3.Connection, origin: Origin) -> int:
    key = (origin.boot, origin.rev, origin.sens_db)
    row = connection.execute(
        "SELECT id FROM origin WHERE boot = ? AND rev = ? AND sens_db IS ?", key
    ).fetchone()
    if row is None:
        row = connection.execute(
            "INSERT INTO origin (boot, rev, sens_db) VALUES (?, ?, ?) RETURNING id", key
        ).fetchone()
    origin_id: int = row[0]
    return origin_id
