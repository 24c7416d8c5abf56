"""What an ingester holds in memory while it works off a city's backlog.

`python -m benchmarks.ingest.backlog --records 2000000`: half of it waits in the broker before the
ingester begins, the other half comes while it works. Exit code 1 when it ever held over 200 MB.
"""

import argparse
import os
import sys
import time

import psycopg

from benchmarks.ingest.city import City, city
from benchmarks.ingest.load import Load
from benchmarks.ingest.processes import ingester, peak_rss_bytes
from benchmarks.ingest.publish import connected, publish_all
from benchmarks.ingest.rates import forked, ingest_drain
from contract.streams import Stream

NODES_N = 100
PER_MESSAGE = 60
# What is made at once; the rest of the backlog isn't in this process's memory.
PIECE = 60_000
LIMIT_BYTES = 200_000_000
PATIENCE_S = 600.0


def fill(place: City, records_n: int) -> None:
    """Publish so many records; they wait in the broker for whoever comes."""
    for begun in range(0, records_n, PIECE):
        load = Load(place.nodes, min(PIECE, records_n - begun), PER_MESSAGE)
        with connected(place, load.messages()) as nodes:
            publish_all(nodes)
        print(f"  published {begun + load.records_n} of {records_n}", file=sys.stderr, flush=True)


def stored_n(place: City) -> int:
    with psycopg.connect(place.superuser, autocommit=True) as conn:
        row = conn.execute(
            "SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM ledger, unnest(stored) AS r"
        ).fetchone()
    return int(row[0]) if row else 0


def measure(place: City, records_n: int) -> tuple[float, int]:
    """Seconds until everything is stored, and the most memory that the ingester held."""
    forked(ingest_drain, place, "srv-ingest", tuple(stream.value for stream in Stream), 0)
    half = records_n // 2 // PER_MESSAGE // NODES_N * PER_MESSAGE * NODES_N
    fill(place, half)
    with ingester(place) as process:
        began_s = time.monotonic()
        fill(place, half)
        while stored_n(place) < 2 * half:
            if time.monotonic() - began_s > PATIENCE_S:
                raise RuntimeError(f"{stored_n(place)} of {2 * half} stored after {PATIENCE_S} s")
            time.sleep(0.5)
        return time.monotonic() - began_s, peak_rss_bytes(process.pid)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Memory of an ingester that works off a backlog.",
        epilog="Example: python -m benchmarks.ingest.backlog --records 2000000",
    )
    parser.add_argument("--records", type=int, default=2_000_000)
    wanted = parser.parse_args()
    with city(NODES_N) as place:
        took_s, rss_bytes = measure(place, wanted.records)
    print(
        f"{wanted.records} records in {took_s:.0f} s ({wanted.records / took_s:.0f} a second),"
        f" half of them published meanwhile; the ingester held {rss_bytes / 1e6:.0f} MB at most;"
        f" floor: {LIMIT_BYTES / 1e6:.0f} MB; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    sys.exit(1 if rss_bytes > LIMIT_BYTES else 0)


if __name__ == "__main__":
    main()
