"""Files that nodes without uplink wrote to a stick, stored as if the broker had brought them.

The messages are the very ones, so they go the one way: decoded, stored and entered in the ledger
by the same code, and a second import, or the node's own resend, finds everything there.
"""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from contract.stick import (
    ACK_SUFFIX,
    MAX_LINE_BYTES,
    Acknowledgement,
    Batch,
    Head,
    StickDamaged,
    StreamAck,
    encode_acknowledgement,
    read_stick,
)
from server.errors import MslError
from server.ingest.dead_letter import DeadLetterFull
from server.ingest.decode import decode_message
from server.ingest.inbound import LedgerKey, Message, Part, RecordsPart
from server.ingest.ledger import LedgerFull
from server.ingest.store import store
from server.ingest.writer import DATA_ERRORS, cut


class StickUnreadable(MslError):
    """The file can't be opened, or isn't one of ours."""


class NodeUnknown(MslError):
    """The registry doesn't know whose stick this is."""


class ImportStopped(MslError):
    """What is in so far stays; the rest waits until somebody has acted."""


@dataclass(slots=True)
class Imported:
    """What came of one file.

    Attributes:
        records: How many per stream and outcome: stored, duplicate, held, rejected.
        damage: What is wrong with the file after its last whole batch, or None.
    """

    path: Path
    node_id: str
    spool: str
    batches_n: int = 0
    records: Counter[tuple[str, str]] = field(default_factory=Counter)
    complete_to: dict[LedgerKey, int] = field(default_factory=dict)
    damage: str | None = None


def import_stick(
    conn: psycopg.Connection,
    path: Path,
    *,
    batch_rows: int,
    dead_letter_max_rows: int,
    progress: Callable[[int, int], None],
) -> Imported:
    """Store every whole batch of the file at `path`; safe to repeat and to interrupt.

    Args:
        conn: From `open_connection`.
        batch_rows: Records in one transaction; each is whole batches of the file.
        progress: Told bytes read so far, and of how many.

    Raises:
        StickUnreadable: Nothing of it can be used.
        NodeUnknown: The node isn't registered; nothing was stored.
        ImportStopped: The dead letter is full; what was stored until then stays.
    """
    received_ms = time.time_ns() // 1_000_000
    with _Lines(path, progress) as lines:
        parts = read_stick(lines)
        head = _head(parts, path)
        _require_known(conn, head.node)
        done = Imported(path, head.node, head.spool)
        group: list[Part] = []
        rows_n = 0
        try:
            for part in parts:
                assert isinstance(part, Batch)
                group.append(_decoded(part, received_ms))
                rows_n += _rows_n(group[-1])
                if rows_n >= batch_rows:
                    _store(conn, group, dead_letter_max_rows, done)
                    group, rows_n = [], 0
        except StickDamaged as error:
            done.damage = str(error)
        _store(conn, group, dead_letter_max_rows, done)
    return done


def acknowledgement(files: Sequence[Imported], node_id: str) -> Acknowledgement:
    """What the node may delete by these imports."""
    highest: dict[LedgerKey, int] = defaultdict(int)
    for done in files:
        for key, seq in done.complete_to.items():
            if key.node_id == node_id:
                highest[key] = max(highest[key], seq)
    acks = [
        StreamAck(spool=key.spool, stream=key.stream, seq=seq)
        for key, seq in sorted(highest.items())
    ]
    return Acknowledgement(v=1, node=node_id, written_ms=time.time_ns() // 1_000_000, acks=acks)


def write_acknowledgement(folder: Path, ack: Acknowledgement) -> Path:
    """Put it beside the file, whole or not at all; raises OSError when the stick refuses."""
    path = folder / f"{ack.node}{ACK_SUFFIX}"
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(encode_acknowledgement(ack))
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    return path


class _Lines:
    """The lines of a file, none longer than a message can be, with the progress told."""

    def __init__(self, path: Path, progress: Callable[[int, int], None]) -> None:
        self._path = path
        self._progress = progress

    def __enter__(self) -> Iterator[bytes]:
        try:
            self._file = self._path.open("rb")
            self._size = self._path.stat().st_size
        except OSError as error:
            raise StickUnreadable(f"{self._path} can't be read: {error.strerror}") from error
        return self._read()

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read(self) -> Iterator[bytes]:
        while True:
            try:
                line = self._file.readline(MAX_LINE_BYTES)
            except OSError as error:
                # A bad sector: what is before it is whole.
                raise StickDamaged(f"the stick can't be read on: {error.strerror}", 0) from error
            if not line:
                return
            self._progress(self._file.tell(), self._size)
            yield line


def _head(parts: Iterator[Head | Batch], path: Path) -> Head:
    try:
        head = next(parts)
    except StickDamaged as error:
        raise StickUnreadable(f"{path} is no stick file of a node: {error}") from None
    assert isinstance(head, Head)
    return head


def _require_known(conn: psycopg.Connection, node_id: str) -> None:
    if conn.execute("SELECT FROM node WHERE node_id = %s", (node_id,)).fetchone() is None:
        raise NodeUnknown(
            f"the registry doesn't know {node_id}; enter it with msl node add, then import again"
        )


def _decoded(batch: Batch, received_ms: int) -> Part:
    message = Message(
        epoch=0,
        mid=0,
        topic=batch.topic,
        payload=batch.payload,
        received_ms=received_ms,
        properties=batch.properties,
    )
    part = decode_message(message)
    assert part is not None, "the topic was checked when the line was read"
    return part


def _rows_n(part: Part) -> int:
    records_n = len(part.records) if isinstance(part, RecordsPart) else 0
    return max(1, records_n + len(part.letters))


def _store(conn: psycopg.Connection, parts: Sequence[Part], max_rows: int, done: Imported) -> None:
    """Store `parts`, cut down to the record where PostgreSQL refuses a value."""
    todo: list[Sequence[Part]] = [parts] if parts else []
    while todo:
        group = todo.pop()
        try:
            stored = store(conn, group, dead_letter_max_rows=max_rows)
        except DATA_ERRORS as error:
            pieces = cut(group, error)
            if not pieces:
                raise ImportStopped(f"{done.path}: not even a dead letter: {error}") from error
            todo.extend(reversed(pieces))
        except (DeadLetterFull, LedgerFull) as error:
            raise ImportStopped(f"{error}; then import {done.path.name} again") from error
        else:
            done.records += stored.records
            done.complete_to |= stored.complete_to
    done.batches_n += len(parts)
