"""How soon a record is seen: from publish until the API shows it, at a city's normal load.

`python -m benchmarks.ingest.latency --nodes 500`: every node sends light, noise and health once a
minute, at a moment of its own; of one message in `WATCH_ONE_IN` the API is asked until it shows
the record, every `LOOK_EVERY_S`. Exit code 1 when the 99th percentile is over 2 s.
"""

import argparse
import http.client
import json
import math
import os
import queue
import random
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from benchmarks.ingest.city import City, city
from benchmarks.ingest.load import MINUTE_MS, record
from benchmarks.ingest.processes import api, ingester
from benchmarks.ingest.publish import connect
from contract import topics
from contract.batch import BatchRange, Header, encode_batch
from contract.ids import new_spool_id
from contract.records import HealthRecord, Record
from contract.streams import Stream
from server.ingest.mqtt import packets
from server.ingest.mqtt.link import Link

STREAMS = (Stream.LIGHT, Stream.NOISE, Stream.HEALTH)
WATCH_ONE_IN = 5
LOOK_EVERY_S = 0.02
GIVEN_UP_S = 30.0
LIMIT_S = 2.0


@dataclass(frozen=True)
class Sent:
    """A watched record: whose, and when it was published (monotonic)."""

    node: str
    stream: Stream
    t_ms: int
    at_s: float


class Sender:
    """One node: a connection and a line of `seq` a stream."""

    def __init__(self, node: str, link: Link) -> None:
        self.node = node
        self._link = link
        self._spool = new_spool_id()
        self._seq = dict.fromkeys(STREAMS, 0)
        self._mid = 0

    def send(self, stream: Stream) -> Sent:
        """Publish the next record of a stream: the minute that ends now."""
        self._seq[stream] += 1
        self._mid = self._mid % 60_000 + 1
        seq, t_ms = self._seq[stream], int(time.time() * 1000) - MINUTE_MS
        sens_db = 120.0 if stream is Stream.NOISE else None
        header = Header(v=1, spool=self._spool, boot="0" * 32, rev="0.1.0", low=1, sens_db=sens_db)
        payload = encode_batch(header, [_record(stream, seq, t_ms)])
        beside = BatchRange(self._spool, seq, seq, 1).as_user_properties()
        data = packets.publish(
            self._mid, topics.up(self.node, stream), payload, user_properties=beside
        )
        sent = Sent(self.node, stream, t_ms, time.monotonic())
        self._link.send(data)
        self._link.turn(0)
        return sent

    def close(self) -> None:
        self._link.close()


class Watcher:
    """Asks the API about watched records, one after the other, in a thread of its own."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        self._todo: queue.SimpleQueue[Sent | None] = queue.SimpleQueue()
        self.took_s: list[float] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def watch(self, sent: Sent) -> None:
        self._todo.put(sent)

    def finish(self) -> None:
        self._todo.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while (sent := self._todo.get()) is not None:
            while not self._seen(sent):
                if time.monotonic() - sent.at_s > GIVEN_UP_S:
                    break
                time.sleep(LOOK_EVERY_S)
            self.took_s.append(time.monotonic() - sent.at_s)

    def _seen(self, sent: Sent) -> bool:
        self._connection.request("GET", f"/api/v1/nodes/{sent.node}/latest")
        answer = json.loads(self._connection.getresponse().read())
        for stream in answer["streams"]:
            if stream["stream"] == sent.stream.value and stream["t"]:
                seen_ms = datetime.fromisoformat(stream["t"]).timestamp() * 1000
                return round(seen_ms) >= sent.t_ms
        return False


def _record(stream: Stream, seq: int, t_ms: int) -> Record:
    if stream is Stream.HEALTH:
        return HealthRecord(seq=seq, t=t_ms, dur_s=60, valid_s=60, uptime_s=seq * 60.0)
    return record(stream, seq, t_ms - seq * MINUTE_MS)


def measure(place: City, seconds: float) -> tuple[list[float], int]:
    """Latencies of the watched records, and how many records were sent in all."""
    rng, sent_n = random.Random(1), 0
    with ingester(place), api(place) as url:
        senders = [Sender(node, connect(place, node)) for node in place.nodes]
        watcher = Watcher(url)
        events = sorted(
            (minute * 60 + rng.uniform(0, 60), index, stream)
            for minute in range(math.ceil(seconds / 60))
            for index in range(len(senders))
            for stream in STREAMS
        )
        began_s = time.monotonic()
        for due_s, index, stream in events:
            if due_s > seconds:
                break
            time.sleep(max(0.0, began_s + due_s - time.monotonic()))
            sent = senders[index].send(stream)
            sent_n += 1
            if sent_n % WATCH_ONE_IN == 0:
                watcher.watch(sent)
        watcher.finish()
        for sender in senders:
            sender.close()
    return watcher.took_s, sent_n


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of them don't exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description="How soon a record is seen by the API.",
        epilog="Example: python -m benchmarks.ingest.latency --nodes 500 --seconds 120",
    )
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=120)
    wanted = parser.parse_args()
    with city(wanted.nodes) as place:
        took_s, sent_n = measure(place, wanted.seconds)
    p50, p99 = quantile(took_s, 0.5), quantile(took_s, 0.99)
    print(
        f"{wanted.nodes} nodes, {sent_n / wanted.seconds:.0f} records a second,"
        f" {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    print(
        f"  publish to visible by the API, {len(took_s)} records: p50 {p50:.2f} s, p99 {p99:.2f} s,"
        f" worst {max(took_s):.2f} s; floor: p99 <= {LIMIT_S:g} s"
    )
    sys.exit(1 if p99 > LIMIT_S else 0)


if __name__ == "__main__":
    main()
