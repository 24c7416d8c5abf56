"""The made city as a running database: filled the first time, kept in the cache folder after that.

with year_city() as city:
    psycopg.connect(city.dsn("msl_grafana"))
"""

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.year_data.records import fill_raw
from benchmarks.year_data.registry import fill_registry
from benchmarks.year_data.rollups import copy_rollups, roll_up_patterns, seal
from benchmarks.year_data.shape import STREAMS, Shape, Span
from provisioning.localstack import LocalStack, StackError
from provisioning.localstack.cache import cache_dir
from server.db.errors import MigrationError
from server.db.migrate import migrate
from server.work.rollup import KEPT

DATABASE = "year"
ROLES = ("msl_api", "msl_worker", "msl_ingest", "msl_grafana", "msl_public")
# Older than this, "the last seven days" would show too little of it.
GOOD_FOR = timedelta(days=3)
# Seen with 500 nodes: 21 GB and what the write-ahead log needs meanwhile.
NEEDED_BYTES = 28_000_000_000
# The rows to come, for the progress bar: of raw a node and day, then kept hours.
_RAW_A_DAY = 3 * 1440 + 2.1 * 96
_KEPT_A_DAY = 24 * 5.1


@dataclass(frozen=True)
class YearCity:
    """What is running: its server, its shape, and which time it covers."""

    stack: LocalStack
    shape: Shape
    span: Span

    def dsn(self, role: str | None = None) -> str:
        """The database as one of its roles; None: as superuser."""
        if role is None:
            return self.stack.postgres.dsn(dbname=DATABASE)
        return self.stack.postgres.dsn(user=role, dbname=DATABASE)


@contextlib.contextmanager
def year_city(shape: Shape | None = None, *, anew: bool = False) -> Iterator[YearCity]:
    """Start the kept database, making it first when there is none that fits.

    Migrations that came since are applied; when one has changed, all is made anew.
    """
    shape = shape or Shape()
    folder = cache_dir() / shape.name
    note = folder / "made.json"
    if anew or not _is_good(note):
        _make(folder, shape, note)
    try:
        with _running(folder, shape, note) as city:
            migrate(city.dsn())
            yield city
    except MigrationError as error:
        print(f"{error}: made anew", file=sys.stderr)
        _make(folder, shape, note)
        with _running(folder, shape, note) as city:
            yield city


def _is_good(note: Path) -> bool:
    if not note.exists():
        return False
    end = datetime.fromisoformat(json.loads(note.read_text())["end"])
    return datetime.now(UTC) - end < GOOD_FOR


@contextlib.contextmanager
def _running(folder: Path, shape: Shape, note: Path) -> Iterator[YearCity]:
    end = datetime.fromisoformat(json.loads(note.read_text())["end"])
    with LocalStack(folder / "stack", persistent=True, fsync=False) as stack:
        yield YearCity(stack, shape, Span.until(end, shape))


def _make(folder: Path, shape: Shape, note: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES * shape.nodes_n // 500:
        raise StackError(f"{folder} has {free / 1e9:.0f} GB free, {shape.name} needs 28; free some")
    span = Span.until(datetime.now(UTC), shape)
    with LocalStack(folder / "stack", persistent=True, fsync=False) as stack:
        # What is written into a chunk that the same transaction made needs no log.
        with psycopg.connect(stack.postgres.dsn(), autocommit=True) as conn:
            for line in ("wal_level = minimal", "max_wal_senders = 0", "max_wal_size = '4GB'"):
                conn.execute(f"ALTER SYSTEM SET {line}".encode())
        stack.postgres.stop()
        stack.postgres.start()
        _fill(YearCity(stack, shape, span))
    note.write_text(json.dumps({"end": span.end.isoformat()}))


def _fill(city: YearCity) -> None:
    shape, span = city.shape, city.span
    city.stack.postgres.create_database(DATABASE)
    migrate(city.dsn())
    city.stack.postgres.allow_login(*ROLES)
    days = shape.raw_days * _RAW_A_DAY + shape.rollup_days * _KEPT_A_DAY
    bar = Bar(round(shape.nodes_n * days))
    with psycopg.connect(city.dsn()) as conn:
        fill_registry(conn, shape, span)
    with ThreadPoolExecutor(2) as pool:
        for found in [pool.submit(_fill_stream, city, stream, bar.add) for stream in STREAMS]:
            found.result()
    with psycopg.connect(city.dsn(), autocommit=True) as conn:
        bar.say("rolling up eight nodes from raw")
        roll_up_patterns(conn)
    for parts in KEPT.values():
        for part in parts:
            with psycopg.connect(city.dsn()) as conn:
                bar.add(copy_rollups(conn, f"{part}_kept", shape, span))
    with psycopg.connect(city.dsn(), autocommit=True) as conn:
        seal(conn, span)
        bar.say("analysing")
        conn.execute("VACUUM (ANALYZE)")
    bar.end()


def _fill_stream(city: YearCity, stream: str, done: Callable[[int], None]) -> None:
    with psycopg.connect(city.dsn()) as conn:
        fill_raw(conn, stream, city.shape, city.span, done)


class Bar:
    """Rows done of rows to come, on stderr, in one line."""

    def __init__(self, of_n: int) -> None:
        self._of_n = of_n
        self._done_n = 0
        self._began_s = time.monotonic()

    def add(self, rows_n: int) -> None:
        """So many more are in."""
        self._done_n += rows_n
        share = min(self._done_n / self._of_n, 1)
        took_s = time.monotonic() - self._began_s
        left_s = took_s / share * (1 - share) if share else 0
        done = "#" * round(30 * share)
        self.say(f"[{done:<30}] {share:4.0%} {self._done_n / 1e6:.1f} M rows, {left_s:.0f} s left")

    def say(self, text: str) -> None:
        """Instead of what stands there."""
        print(f"\r{text:<78}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        took_s = time.monotonic() - self._began_s
        self.say(f"{self._done_n / 1e6:.1f} M rows in {took_s:.0f} s")
        print(file=sys.stderr)


def table_sizes(conn: psycopg.Connection[Any]) -> list[tuple[str, int, int]]:
    """(table, rows, bytes with its indexes) of what is filled, largest first."""
    found = conn.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        " AND relname ~ '(_raw|_kept)$'"
    ).fetchall()
    sizes = []
    for (name,) in found:
        row = conn.execute(
            sql.SQL("SELECT count(*), coalesce({}({}::regclass), 0) FROM {}").format(
                sql.SQL("hypertable_size" if name.endswith("_raw") else "pg_total_relation_size"),
                sql.Literal(name), sql.Identifier(name),
            )
        ).fetchone()  # fmt: skip
        assert row is not None
        sizes.append((str(name), int(row[0]), int(row[1])))
    return sorted(sizes, key=lambda size: -size[2])
