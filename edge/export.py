"""A node without uplink: everything unacknowledged onto a stick, and acknowledgements back.

The spool keeps all of it: what the server has is deleted only when the server's own file says so.
Reading works beside a running agent (SQLite shows one moment of the spool); taking an
acknowledgement in needs the spool for itself.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from contract import topics
from contract.limits import MAX_PAYLOAD_BYTES, MAX_RECORDS_PER_BATCH
from contract.stick import ACK_SUFFIX, SUFFIX, Acknowledgement, StickWriter, decode_acknowledgement
from contract.streams import Stream
from edge import spool_rows
from edge.batch_payload import payload_of, properties_of
from edge.errors import NodeError
from edge.spool import Spool
from edge.spool_answers import AckEffect, Slice

# What a payload needs besides its records, as on the way to the broker.
HEADER_BYTES = 512
# Base64, digests and topics make 1.5 bytes of one; the rest is for the file system.
SPACE_SHARE = 1.6
SPACE_LEAST_BYTES = 1_000_000
# Beside the spool: how far it was ever written to a stick. No acknowledgement counts beyond that.
MARK_FILE = "exported.json"

Progress = Callable[[Stream, int, int], None]


class ExportFailed(NodeError):
    """Nothing was written, or nothing was acknowledged; the message says why."""


@dataclass(slots=True)
class Exported:
    """What is on the stick.

    Attributes:
        records: Per stream.
        waiting_n: Records left out because their time isn't settled yet.
    """

    path: Path
    spool: str
    batches_n: int = 0
    size_bytes: int = 0
    records: dict[Stream, int] = field(default_factory=dict)
    waiting_n: int = 0


class Mark(msgspec.Struct, forbid_unknown_fields=True):
    """Highest `seq` of each stream that was ever written to a stick from this spool."""

    spool: str
    streams: dict[Stream, int]


def export_to(
    folder: Path, spool_path: Path, node_id: str, *, now_ms: int, progress: Progress
) -> Exported:
    """Write everything unacknowledged in the spool into one file of `folder`.

    The file appears under its name only when it is whole and on the stick. A later export replaces
    it: what is no longer in the spool, the server has acknowledged.

    Raises:
        ExportFailed: No spool, no stick, too little room, or the stick went away.
    """
    with _snapshot(spool_path) as connection:
        spool_id = _spool_id(connection)
        totals = _totals(connection)
        _require_room(folder, connection)
        done = Exported(folder / f"{node_id}-{spool_id}{SUFFIX}", spool_id)
        done.waiting_n = _count(connection, "WHERE start_boot_s IS NOT NULL")
        writer = StickWriter()
        reached: dict[Stream, int] = {}

        def lines() -> Iterator[bytes]:
            yield writer.head(node_id, spool_id, now_ms)
            for batch in _batches(connection, spool_id):
                yield writer.batch(
                    topics.up(node_id, batch.stream), properties_of(batch), payload_of(batch)
                )
                n = done.records.get(batch.stream, 0) + len(batch.blobs)
                done.records[batch.stream] = n
                reached[batch.stream] = batch.last
                progress(batch.stream, n, totals[batch.stream])
            yield writer.end()

        try:
            done.size_bytes = _write_whole(done.path, lines())
        except OSError as error:
            raise ExportFailed(
                f"{done.path} can't be written: {error.strerror}; the spool is untouched, try"
                " again with another stick"
            ) from error
        done.batches_n = writer.batches_n
    _note_exported(spool_path.with_name(MARK_FILE), spool_id, reached)
    return done


def read_acknowledgement(where: Path, node_id: str) -> Acknowledgement:
    """The server's file: `where` itself, or the one for this node in the folder `where`.

    Raises:
        ExportFailed: It isn't there, can't be read, or is for another node.
    """
    path = where / f"{node_id}{ACK_SUFFIX}" if where.is_dir() else where
    try:
        ack = decode_acknowledgement(path.read_bytes())
    except OSError as error:
        raise ExportFailed(
            f"{path} can't be read: {error.strerror}; msl import on the server writes it"
        ) from error
    except (msgspec.DecodeError, ValueError) as error:
        raise ExportFailed(f"{path} is no acknowledgement: {error}; import again") from error
    if ack.node != node_id:
        raise ExportFailed(f"{path} is for {ack.node}, this node is {node_id}")
    return ack


def acknowledge(spool: Spool, ack: Acknowledgement) -> dict[Stream, int]:
    """Delete from `spool` what the server has; return how many records of each stream went.

    Only what names this very spool counts, and only up to what was ever published or exported.

    Raises:
        ExportFailed: None of it is about this spool, or the spool is an old copy.
    """
    own = [item for item in ack.acks if item.spool == spool.id]
    if not own:
        others = ", ".join(sorted({item.spool for item in ack.acks})) or "none"
        raise ExportFailed(
            f"the acknowledgement is for spool {others}, this node's is {spool.id}: nothing deleted"
        )
    exported = _read_mark(spool.path.with_name(MARK_FILE), spool.id)
    freed: dict[Stream, int] = {}
    for item in own:
        before = spool.low(item.stream)
        spool.sent(item.stream, exported.get(item.stream, 0))
        effect = spool.ack(item.spool, item.stream, item.seq)
        if effect is AckEffect.AHEAD:
            raise ExportFailed(
                f"the server has {item.stream} up to {item.seq}, which this spool never made: it is"
                " an old copy; start the node with its uplink, or set the spool aside"
            )
        freed[item.stream] = spool.low(item.stream) - before
    spool.flush()
    return freed


@contextmanager
def _snapshot(spool_path: Path) -> Iterator[sqlite3.Connection]:
    """One moment of the spool, read only; writers go on beside it."""
    if not spool_path.exists():
        raise ExportFailed(f"there is no spool at {spool_path}; has this node run yet?")
    try:
        with closing(
            sqlite3.connect(f"file:{spool_path}?mode=ro", uri=True, isolation_level=None)
        ) as connection:
            connection.execute("BEGIN")
            yield connection
    except sqlite3.DatabaseError as error:
        raise ExportFailed(f"spool {spool_path} can't be read: {error}") from error


def _batches(connection: sqlite3.Connection, spool_id: str) -> Iterator[Slice]:
    """As `Spool.read` would give them; a stream ends where a record waits for the clock."""
    for stream in Stream:
        low = spool_rows.lowest(connection, stream)
        row = connection.execute(
            "SELECT min(seq) FROM record WHERE stream = ? AND start_boot_s IS NOT NULL",
            (stream.value,),
        ).fetchone()
        waits_from: int | None = row[0]
        after = low - 1
        while True:
            found = spool_rows.unbroken(
                connection,
                stream,
                after,
                max_records=MAX_RECORDS_PER_BATCH,
                max_bytes=MAX_PAYLOAD_BYTES - HEADER_BYTES,
            )
            if found is None or (waits_from is not None and found[0] > waits_from):
                break
            first, origin, blobs = found
            after = first + len(blobs) - 1
            yield Slice(spool_id, stream, origin, first, after, low, blobs)


def _write_whole(path: Path, lines: Iterator[bytes]) -> int:
    """All lines or no file; return its bytes."""
    part = path.with_name(f".{path.name}.part")
    size = 0
    try:
        with part.open("wb") as file:
            for line in lines:
                size += file.write(line)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
        _sync_folder(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return size


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _require_room(folder: Path, connection: sqlite3.Connection) -> None:
    if not folder.is_dir():
        raise ExportFailed(f"{folder} is no folder; is the stick mounted there?")
    needs_bytes = int(spool_rows.held_bytes(connection) * SPACE_SHARE) + SPACE_LEAST_BYTES
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needs_bytes:
        raise ExportFailed(
            f"{folder} has {free_bytes / 1e6:.1f} MB free, the spool needs {needs_bytes / 1e6:.1f};"
            " free some or take a larger stick"
        )


def _spool_id(connection: sqlite3.Connection) -> str:
    row = connection.execute("SELECT value FROM meta WHERE key = 'spool'").fetchone()
    spool_id: str = row[0]
    return spool_id


def _totals(connection: sqlite3.Connection) -> dict[Stream, int]:
    return {stream: _count(connection, f"WHERE stream = '{stream.value}'") for stream in Stream}


def _count(connection: sqlite3.Connection, where: str) -> int:
    n: int = connection.execute(f"SELECT count(*) FROM record {where}").fetchone()[0]  # noqa: S608
    return n


def _note_exported(path: Path, spool_id: str, reached: dict[Stream, int]) -> None:
    known = _read_mark(path, spool_id)
    streams = {s: max(reached.get(s, 0), known.get(s, 0)) for s in {*reached, *known}}
    try:
        _write_whole(path, iter([msgspec.json.encode(Mark(spool_id, streams))]))
    except OSError as error:
        raise ExportFailed(
            f"{path} can't be written: {error.strerror}; the stick is whole, but its"
            " acknowledgement would not count: free some disk space and export again"
        ) from error


def _read_mark(path: Path, spool_id: str) -> dict[Stream, int]:
    try:
        mark = msgspec.json.decode(path.read_bytes(), type=Mark)
    except (OSError, msgspec.DecodeError):
        return {}  # never exported, as far as anybody can tell
    return mark.streams if mark.spool == spool_id else {}
