"""`python -m benchmarks.ingest`: rates as ratios of one run, on the local stack.

Everything runs on this machine: broker, database, load and ingester share its cores. Floors: at 60
records a message half of what the table alone takes; at one a message 0.6 of what paho with manual
acknowledgement can merely drain.
"""

import argparse
import os

from benchmarks.ingest.city import City, city
from benchmarks.ingest.load import Load
from benchmarks.ingest.rates import (
    direct_rate,
    drained,
    end_to_end,
    ingest_drain,
    paho_drain,
    receiver_drain,
)
from contract.streams import Stream

NODES_N = 20
LIGHT, NOISE = (Stream.LIGHT.value,), (Stream.NOISE.value,)


def wide(place: City, records_n: int) -> None:
    """60 records a message, against the table alone."""
    load = Load(place.nodes, records_n, 60)
    direct = direct_rate(place, load)
    live, process = end_to_end(place, load)
    backlog = 60 * drained(place, [load], ingest_drain, [LIGHT])
    print(f"60 records a message, {load.records_n} records")
    print(f"  table alone            {direct:9.0f} rows/s")
    print(f"  end to end, live       {live:9.0f} rows/s   {live / direct:.2f} x")
    print(f"  end to end, backlog    {backlog:9.0f} rows/s   {backlog / direct:.2f} x")
    print(f"  ingester               {process.cpu_s * 1e6 / load.records_n:9.1f} us CPU a record")


def single(place: City, messages_n: int) -> None:
    """One record a message, out of a full broker."""
    load = Load(place.nodes, messages_n, 1)
    paho = drained(place, [load], paho_drain, [LIGHT])
    ours = drained(place, [load], receiver_drain, [LIGHT])
    stored = drained(place, [load], ingest_drain, [LIGHT])
    print(f"one record a message, {messages_n} messages out of the broker")
    print(f"  paho, acknowledging    {paho:9.0f} msg/s")
    print(f"  our receiver alone     {ours:9.0f} msg/s    {ours / paho:.2f} x")
    print(f"  committed by ingest    {stored:9.0f} msg/s    {stored / paho:.2f} x")


def workers(place: City, messages_n: int) -> None:
    """Two ingesters by stream beside one for both."""
    loads = [
        Load(place.nodes, messages_n // 2, 1, stream) for stream in (Stream.LIGHT, Stream.NOISE)
    ]
    one = drained(place, loads, ingest_drain, [(*LIGHT, *NOISE)])
    two = drained(place, loads, ingest_drain, [LIGHT, NOISE])
    print(f"light and noise, one record a message, {messages_n} messages out of the broker")
    print(f"  one worker             {one:9.0f} msg/s")
    print(f"  two workers            {two:9.0f} msg/s    {two / one:.2f} x")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog="Example: python -m benchmarks.ingest --records 300000",
    )
    parser.add_argument("--records", type=int, default=300_000, help="in 60s a message")
    parser.add_argument("--messages", type=int, default=60_000, help="of one record")
    wanted = parser.parse_args()
    with city(NODES_N) as place:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {NODES_N} nodes")
        wide(place, wanted.records)
        single(place, wanted.messages)
        workers(place, wanted.messages)
        print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
