"""`python -m benchmarks.rollups`: what it costs to recompute marked hours, by stream.

Marks every hour of the made city's raw records and lets the worker work them off: node-hours and
records a second, and the seconds of processor time that worker and database took for it.
"""

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg

from benchmarks.year_data.city import YearCity, year_city
from benchmarks.year_data.shape import STREAMS, Shape
from server.work.rollup import roll_up

_MARK = """
INSERT INTO rollup_mark (node_id, stream, hour)
SELECT DISTINCT node_id, %(stream)s, date_trunc('hour', t, 'UTC') FROM {stream}_raw
"""


def measure(city: YearCity, stream: str) -> str:
    """Mark all hours of a stream's raw, work them off, and say what it took."""
    with (
        psycopg.connect(city.dsn(), autocommit=True) as admin,
        psycopg.connect(city.dsn("msl_worker"), autocommit=True) as worker,
    ):
        admin.execute("SET session_replication_role = replica")
        admin.execute(_MARK.format(stream=stream), {"stream": stream})
        row = admin.execute(f"SELECT count(*) FROM {stream}_raw").fetchone()
        records_n = row[0] if row else 0
        backend = psutil.Process(_backend_pid(city, worker))
        before_s = sum(backend.cpu_times()[:2]) + time.process_time()
        began_s = time.monotonic()
        hours_n = roll_up(worker)
        took_s = time.monotonic() - began_s
        cpu_s = sum(backend.cpu_times()[:2]) + time.process_time() - before_s
    return (
        f"{stream:<10}{hours_n:>8} node-hours {records_n:>9} records {took_s:7.1f} s"
        f" {records_n / took_s:9.0f} records/s {cpu_s:7.1f} s CPU"
        f" {cpu_s / records_n * 1e6:6.1f} us a record"
    )


def _backend_pid(city: YearCity, conn: psycopg.Connection[tuple[object, ...]]) -> int:
    """The backend's process as this machine sees it: it may sit in a namespace of its own."""
    inner = conn.info.backend_pid
    for process in psutil.Process(city.stack.postgres.pid).children(recursive=True):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("NSpid:") and int(line.split()[-1]) == inner:
                return process.pid
    raise LookupError(f"no process of backend {inner}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description="What it costs to recompute marked hours.",
        epilog="Example: python -m benchmarks.rollups --nodes 16 --raw-days 3",
    )
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--raw-days", type=int, default=30)
    wanted = parser.parse_args()
    shape = replace(Shape(), nodes_n=wanted.nodes, raw_days=wanted.raw_days)
    with year_city(shape) as city:
        print(f"{shape.name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        for stream in STREAMS:
            print(measure(city, stream), flush=True)
        print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
