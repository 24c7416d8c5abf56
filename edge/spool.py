"""The spool: every record is on disk before it is published, and stays until the server has it.

A record counts as spooled once `flush` has committed it; the agent flushes once a second, one
transaction for all that is new and all that was acknowledged. The order is what makes the promise:
committed, published, acknowledged, deleted. A kill between any two of them costs a resend at most.
"""

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from contract.batch import encode_record
from contract.events import Body, EventRecord, Quarantine, SensorFault, SpoolOverflow
from contract.flags import Flag
from contract.records import Record
from contract.streams import Stream
from edge import spool_file, spool_rows
from edge.clock import Clock
from edge.spool_answers import AckEffect, Depth, Slice, SpoolUnwritable
from edge.spool_rows import Made, Origin, to_t_ms

log = logging.getLogger(__name__)

# Records waiting in memory for a disk that refuses them; at 20 a minute this is 16 hours.
PENDING_MAX_N = 20_000
# Share of the limit freed at once when the spool is full, so that one event declares many records.
OVERFLOW_SHARE = 0.02


class Spool:
    """Records of all streams in one SQLite file.

    Args:
        limit_bytes: Size of the records at which the oldest go.
        clock: The machine's clock; it settles the time of records made before it was in sync.
        boot, rev: Stand in the header of what this run makes.
        flags: Put on every record, e.g. `SIMULATED`.

    Raises `SpoolBusy` when another process holds the file, `SpoolUnwritable` when the disk refuses.
    A broken file is set aside, a new one with a new id is born, and an event says so.
    """

    def __init__(
        self,
        path: Path,
        *,
        limit_bytes: int,
        clock: Clock,
        boot: str,
        rev: str,
        flags: Sequence[Flag] = (),
    ) -> None:
        self.path = path
        self.limit_bytes = limit_bytes
        self.clock = clock
        self.origin = Origin(boot, rev)
        self.made_bytes = 0
        self._flags = tuple(flags)
        self._lock = threading.RLock()
        self._pending: list[Made] = []
        self._acked: dict[Stream, int] = {}
        self._sent: dict[Stream, int] = {}
        self._unspooled_n = 0
        self._hold = spool_file.hold(path)
        try:
            self._connection = self._open()
        except sqlite3.OperationalError as error:
            os.close(self._hold)
            raise self._unwritable(error) from error
        except BaseException:
            os.close(self._hold)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def id(self) -> str:
        """Random at birth; a new one begins a new line of `seq`."""
        return self._id

    # Making

    def append(
        self,
        stream: Stream,
        record: Record,
        *,
        origin: Origin | None = None,
        start_boot_s: float | None = None,
    ) -> None:
        """Take a record to be spooled by the next `flush`; its `seq` is given there.

        Args:
            origin: What made it, if not this run's own software.
            start_boot_s: Its start on the boot clock, when `t` must wait for a synchronised clock.

        Raises `DecodeError` when the record isn't what the contract says.
        """
        origin = origin or self.origin
        if (origin.sens_db is None) == (stream is Stream.NOISE):
            raise ValueError(f"{stream} record with sens_db {origin.sens_db}; noise alone has it")
        record.seq = 1
        record.flags = list(dict.fromkeys([*record.flags, *self._flags]))
        encode_record(stream, record)
        self._push(self._made(stream, record, origin, start_boot_s))

    def event(self, body: Body) -> None:
        """Take an event that happens now."""
        self._push(self._event(body))

    def take_in(self, body: Body, key: str, flags: Sequence[Flag] = ()) -> bool:
        """Spool an event that a command left for the agent; False when it was taken before.

        The event and `key`, the name of what was left last, are committed together: a kill before
        the command's file is removed doesn't double the event. Raises `SpoolUnwritable`.
        """
        try:
            with self._lock, self._transaction() as connection:
                if self.get_meta("taken_in") == key:
                    return False
                inserts = spool_rows.Inserts(connection)
                made = inserts.add(self._event(body, flags))
                inserts.finish()
                connection.execute("INSERT OR REPLACE INTO meta VALUES ('taken_in', ?)", (key,))
            self._held_bytes += made
            self.made_bytes += made
            return True
        except sqlite3.OperationalError as error:
            raise self._unwritable(error) from error

    def flush(self) -> int:
        """Write what is new, delete what was acknowledged, in one transaction; return how many new.

        Raises `SpoolUnwritable` when the disk refuses: nothing is lost, the next flush tries again.
        """
        with self._lock:
            try:
                return self._flush_or_begin_anew()
            except sqlite3.OperationalError as error:
                raise self._unwritable(error) from error

    # Sending

    def read(
        self, stream: Stream, after_seq: int, *, max_records: int, max_bytes: int
    ) -> Slice | None:
        """The records after `after_seq` that fit, made by one origin, without a gap between them.

        None when there is none, or the first one still waits for the clock. A record larger than
        `max_bytes` comes alone.
        """
        with self._lock:
            after_seq = max(after_seq, self.watermark(stream))
            found = spool_rows.unbroken(
                self._connection, stream, after_seq, max_records=max_records, max_bytes=max_bytes
            )
            if found is None or self._waits_before(stream, found[0]):
                return None
            first, origin, blobs = found
            last = first + len(blobs) - 1
            return Slice(self._id, stream, origin, first, last, self.low(stream), blobs)

    def sent(self, stream: Stream, seq: int) -> None:
        """Note that everything up to `seq` was published, so that its ack can be trusted."""
        with self._lock:
            self._sent[stream] = max(self._sent.get(stream, 0), seq)

    def ack(self, spool_id: str, stream: Stream, seq: int) -> AckEffect:
        """The server has everything up to `seq`: the next flush deletes it.

        Only this spool's own records, and never beyond what was published. `AHEAD` means that the
        server has records of ours that we never made: this file is an old copy of the spool.
        """
        with self._lock:
            if spool_id != self._id:
                return AckEffect.OTHER_SPOOL
            if seq >= spool_rows.next_seq(self._connection, stream):
                return AckEffect.AHEAD
            trusted = min(seq, self._sent.get(stream, 0))
            if trusted <= self.watermark(stream):
                return AckEffect.REPEATED
            self._acked[stream] = trusted
            return AckEffect.MOVED

    def quarantine(self, stream: Stream, seq: int, reason: str) -> None:
        """Set one record aside that the server never acknowledges, and declare it by an event."""
        with self._lock, self._transaction() as connection:
            now_ms = to_t_ms(self.clock.utc_s())
            freed = spool_rows.set_aside_record(connection, stream, seq, reason, now_ms)
            if not freed:
                return
            body = Quarantine(
                stream=stream, spool=self._id, first=seq, last=seq, detail=reason[:400]
            )
            inserts = spool_rows.Inserts(connection)
            made = inserts.add(self._event(body))
            inserts.finish()
        self._held_bytes += made - freed

    def set_aside(self, reason: str) -> Path:
        """Put the whole file aside and begin a new line of `seq`; an event says so.

        Raises `sqlite3.OperationalError` when the disk has no room for a new file: the old one
        stays in its place, and the next try may find room.
        """
        with self._lock:
            new = spool_file.successor(self.path)
            self._connection.close()
            aside = spool_file.set_aside(self.path)
            new.rename(self.path)
            log.error("spool set aside as %s: %s", aside.name, reason)
            self._acked.clear()
            self._connection = self._open()
            detail = f"kept as {aside.name}: {reason}"[:400]
            self.event(SensorFault(sensor="spool", state="set_aside", detail=detail))
            return aside

    # Knowing

    def watermark(self, stream: Stream) -> int:
        """The highest `seq` below which nothing is left to send."""
        return self.low(stream) - 1

    def low(self, stream: Stream) -> int:
        """The lowest `seq` still to be delivered; what is below will never come (again)."""
        with self._lock:
            lowest = spool_rows.lowest(self._connection, stream)
            return max(lowest, self._acked.get(stream, 0) + 1)

    def next_seq(self, stream: Stream) -> int:
        """The `seq` that the stream's next committed record gets."""
        with self._lock:
            return spool_rows.next_seq(self._connection, stream)

    def last_end_ms(self, stream: Stream) -> int | None:
        """End of the last spooled window whose time is settled."""
        with self._lock:
            row = self._connection.execute(
                "SELECT last_end_ms FROM stream WHERE stream = ?", (stream.value,)
            ).fetchone()
            end_ms: int | None = row[0]
            return end_ms

    def depth(self) -> Depth:
        with self._lock:
            n, oldest = self._connection.execute(
                "SELECT count(*), min(made_ms) FROM record"
            ).fetchone()
            return Depth(n, self._held_bytes, oldest)

    def get_meta(self, key: str) -> str | None:
        with self._lock:
            row = self._connection.execute(
                "SELECT value FROM meta WHERE key = ?", (key,)
            ).fetchone()
            return row[0] if row else None

    def set_meta(self, key: str, value: str) -> None:
        """Remember a value over restarts; raises `SpoolUnwritable`."""
        try:
            with self._lock, self._transaction() as connection:
                connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
        except sqlite3.OperationalError as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        """Close without flushing: what wasn't committed was never spooled."""
        with self._lock:
            self._connection.close()
            os.close(self._hold)

    def _open(self) -> sqlite3.Connection:
        try:
            connection = spool_file.open_file(self.path)
        except spool_file.SpoolBroken as error:
            aside = spool_file.set_aside(self.path)
            log.error("%s; kept as %s, a new spool begins", error, aside.name)
            connection = spool_file.open_file(self.path)
            detail = f"kept as {aside.name}: {error}"[:400]
            self.event(SensorFault(sensor="spool", state="set_aside", detail=detail))
        self._id: str = connection.execute("SELECT value FROM meta WHERE key = 'spool'").fetchone()[
            0
        ]
        self._sent = {
            Stream(name): seq
            for name, seq in connection.execute("SELECT stream, sent_seq FROM stream")
        }
        self._held_bytes = spool_rows.held_bytes(connection)
        return connection

    def _unwritable(self, error: sqlite3.OperationalError) -> SpoolUnwritable:
        full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
        return SpoolUnwritable(
            f"spool {self.path} can't be written ({error}); {len(self._pending)} records"
            " wait in memory; free some disk space or check the card",
            "disk_full" if full else "disk_error",
        )

    def _flush_or_begin_anew(self) -> int:
        try:
            return self._flush()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            self.set_aside(str(error))
            return self._flush()

    def _flush(self) -> int:
        taken, acked = len(self._pending), dict(self._acked)
        held = self._held_bytes
        with self._transaction() as connection:
            for stream, seq in acked.items():
                held -= spool_rows.delete_through(connection, stream, seq)
            for stream, seq in self._sent.items():
                connection.execute(
                    "UPDATE stream SET sent_seq = ? WHERE stream = ? AND sent_seq < ?",
                    (seq, stream.value, seq),
                )
            inserts = spool_rows.Inserts(connection)
            made = sum(inserts.add(made) for made in self._pending)
            inserts.finish()
            spool_rows.freeze(connection, self.clock, self.origin.boot)
            held = self._make_room(connection, inserts, held + made)
        del self._pending[:taken]
        self._acked.clear()
        self._held_bytes = held
        self.made_bytes += made
        self._report_unspooled()
        return taken

    def _make_room(
        self, connection: sqlite3.Connection, inserts: spool_rows.Inserts, held: int
    ) -> int:
        if held <= self.limit_bytes:
            return held
        over = held - int(self.limit_bytes * (1 - OVERFLOW_SHARE))
        dropped, freed = spool_rows.drop_oldest(connection, over)
        held -= freed
        for lost in dropped:
            log.error("spool full: dropped %s %d to %d", lost.stream, lost.first, lost.last)
            body = SpoolOverflow(
                stream=lost.stream, spool=self._id, first=lost.first, last=lost.last
            )
            held += inserts.add(self._event(body))
        inserts.finish()
        return held

    def _report_unspooled(self) -> None:
        """Say how many records never reached the disk, once it takes records again."""
        if self._unspooled_n:
            detail = f"{self._unspooled_n} records never reached the disk"
            self._unspooled_n = 0
            self.event(SensorFault(sensor="spool", state="records_dropped", detail=detail))

    def _push(self, made: Made) -> None:
        with self._lock:
            self._pending.append(made)
            if len(self._pending) > PENDING_MAX_N:
                del self._pending[0]
                self._unspooled_n += 1

    def _event(self, body: Body, flags: Sequence[Flag] = ()) -> Made:
        waits = None if self.clock.synced() else self.clock.boot_s()
        record = EventRecord(
            seq=1,
            t=to_t_ms(self.clock.utc_s()),
            dur_s=0,
            valid_s=0,
            flags=list(dict.fromkeys([*flags, *self._flags])),
            body=body,  # type: ignore[arg-type]  # EventBody is the union of all subclasses
        )
        encode_record(Stream.EVENT, record)
        return self._made(Stream.EVENT, record, self.origin, waits)

    def _made(
        self, stream: Stream, record: Record, origin: Origin, start_boot_s: float | None
    ) -> Made:
        now_ms = to_t_ms(self.clock.utc_s())
        return Made(stream, record, origin, now_ms, self.clock.boot_s(), start_boot_s)

    def _waits_before(self, stream: Stream, seq: int) -> bool:
        """Whether a record that waits for the clock comes before `seq`: it must go first."""
        row = self._connection.execute(
            "SELECT 1 FROM record WHERE stream = ? AND seq < ? AND seq > ?"
            " AND start_boot_s IS NOT NULL LIMIT 1",
            (stream.value, seq, self._acked.get(stream, 0)),
        ).fetchone()
        return row is not None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            # SQLite has already rolled back after some errors, a full disk among them.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
