"""An export as a tree of files, `lab=…/stream=…/day=…/`, one file a day; resumable by its manifest.

Hive's naming, which DuckDB, Spark and Trino read as columns. Days are UTC days; for the grain of
local days they are the local dates.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal

import psycopg

from contract.streams import Stream
from server.errors import MslError
from server.export import manifest as manifests
from server.export.columns import Column, Grain, columns
from server.export.manifest import Partition, Question
from server.export.parquet import write_parquet
from server.export.queries import Scope, rows
from server.export.text import csv_chunks

Format = Literal["csv", "parquet"]
# Told for every day: which, its rows, whether it was there already.
Progress = Callable[[date, int, bool], None]


class ExportUnwritable(MslError):
    """The folder takes no files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to export; times are aware, and `to_t` is excluded."""

    stream: Stream
    grain: Grain
    scope: Scope
    from_t: datetime
    to_t: datetime
    format: Format


@dataclass(slots=True)
class Written:
    """What is in the folder now; `skipped_n` days were finished before."""

    rows_n: int = 0
    files_n: int = 0
    days_n: int = 0
    skipped_n: int = 0


def export_tree(
    conn: psycopg.Connection, order: Order, root: Path, *, again: bool, progress: Progress
) -> Written:
    """Write what is missing of `order` below `root`; stopped at any point, the next run goes on.

    A finished day is left alone, also when records of it arrived since: `again` writes every day
    anew.

    Raises:
        OtherExport: The folder holds something else.
        ExportUnwritable: The disk refuses.
    """
    question = Question(
        stream=order.stream.value,
        grain=order.grain.value,
        format=order.format,
        scope=order.scope.said,
    )
    done = Written()
    try:
        root.mkdir(parents=True, exist_ok=True)
        manifest = manifests.read_manifest(root, question)
        for day, from_t, to_t in _days(order):
            known = manifest.days.get(day)
            finished = not again and manifests.is_finished(root, known, from_t, to_t)
            if not finished:
                manifest.days[day] = _write_day(conn, order, root, day, from_t, to_t)
                manifests.write_manifest(root, manifest)
            _count(done, manifest.days[day], finished)
            progress(day, manifest.days[day].rows, finished)
    except OSError as error:
        raise ExportUnwritable(
            f"{error.filename or root} can't be written: {error.strerror}; finished days stay, run"
            " the same command again to go on"
        ) from error
    return done


def _count(done: Written, partition: Partition, finished: bool) -> None:
    done.days_n += 1
    done.skipped_n += finished
    done.rows_n += partition.rows
    done.files_n += partition.file is not None


def _days(order: Order) -> Iterator[tuple[date, datetime, datetime]]:
    """Each day with the part of it that is asked for."""
    from_t, to_t = order.from_t.astimezone(UTC), order.to_t.astimezone(UTC)
    day = from_t.date()
    while (begins := datetime.combine(day, time(), UTC)) < to_t:
        ends = begins + timedelta(days=1)
        yield day, max(begins, from_t), min(ends, to_t)
        day += timedelta(days=1)


def _write_day(
    conn: psycopg.Connection,
    order: Order,
    root: Path,
    day: date,
    from_t: datetime,
    to_t: datetime,
) -> Partition:
    folder = root / f"lab={order.scope.lab}" / f"stream={order.stream}" / f"day={day.isoformat()}"
    path = folder / f"{order.scope.said.replace(' ', '-')}.{order.format}"
    part = folder / f".{path.name}.part"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        days = day, day + timedelta(days=1)
        with rows(conn, order.stream, order.grain, order.scope, from_t, to_t, days) as blocks:
            rows_n = _write_file(part, order, blocks)
        if not rows_n:
            path.unlink(missing_ok=True)
            return Partition(from_t=from_t, to_t=to_t, file=None, rows=0, size_bytes=0, sha256=None)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
        with suppress(OSError):  # not empty: it holds the file
            folder.rmdir()
    return Partition(
        from_t=from_t,
        to_t=to_t,
        file=str(path.relative_to(root)),
        rows=rows_n,
        size_bytes=path.stat().st_size,
        sha256=manifests.file_sha256(path),
    )


def _write_file(part: Path, order: Order, blocks: Iterable[Sequence[Any]]) -> int:
    own = columns(order.stream, order.grain)
    if order.format == "csv":
        return _write_csv(part, own, blocks)
    about = {
        "stream": order.stream.value,
        "grain": order.grain.value,
        "scope": order.scope.said,
        "producer": "municipal-safety-lab",
    }
    return write_parquet(part, own, blocks, about)


def _write_csv(part: Path, own: Sequence[Column], blocks: Iterable[Sequence[Any]]) -> int:
    rows_n = 0

    def counted() -> Iterator[Sequence[Any]]:
        nonlocal rows_n
        for block in blocks:
            rows_n += len(block)
            yield block

    with part.open("w", encoding="utf-8", newline="") as file:
        for chunk in csv_chunks(own, counted()):
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return rows_n
