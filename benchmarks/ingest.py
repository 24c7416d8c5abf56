"""How fast records get from the broker into the table, against what the table alone can take.

One run on the local stack, everything on this machine: `python -m benchmarks.ingest`. Prints rates
and, because a machine's load changes them all alike, their ratios:

- direct: light records in memory by the very same `INSERT ... SELECT unnest ... ON CONFLICT`, with
  neither broker nor ledger;
- store: decoded from payloads, with ledger, marks and everything, still without a broker;
- end to end: published by a process, through Mosquitto and `msl ingest`, until the end-to-end
  acknowledgement of the last record is back.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from contract import topics
from contract.batch import BatchRange, Header, encode_batch
from contract.ids import new_spool_id
from contract.messages import decode_ack
from contract.records import LightRecord
from contract.streams import Stream
from provisioning.localstack import BrokerTls, LocalStack
from provisioning.localstack.ports import free_port
from server.db.migrate import migrate
from server.identity import ca
from server.identity.ca import Credential
from server.ingest import tables
from server.ingest.connection import open_connection
from server.ingest.decode import decode_message
from server.ingest.inbound import Message, RecordsPart
from server.ingest.rows import Rows
from server.ingest.store import store

ROOT = Path(__file__).parents[1]
BATCH_ROWS = 2000
MINUTE_MS = 60_000
START_MS = (int(time.time() * 1000) // MINUTE_MS - 500_000) * MINUTE_MS


@dataclass(frozen=True)
class Load:
    """Messages of one run: nodes take turns, each in a line of `seq` of its own."""

    nodes: Sequence[str]
    records_n: int
    per_message: int
    spool: str

    def messages(self) -> list[Message]:
        found = []
        next_seq = dict.fromkeys(self.nodes, 1)
        for index in range(self.records_n // self.per_message):
            node = self.nodes[index % len(self.nodes)]
            first, next_seq[node] = next_seq[node], next_seq[node] + self.per_message
            found.append(self._message(node, first))
        return found

    def _message(self, node: str, first: int) -> Message:
        last = first + self.per_message - 1
        records = [record(seq) for seq in range(first, last + 1)]
        header = Header(v=1, spool=self.spool, boot="0" * 32, rev="0.1.0", low=1)
        properties = BatchRange(self.spool, first, last, 1).as_user_properties()
        received_ms = int(time.time() * 1000)
        topic = topics.up(node, Stream.LIGHT)
        return Message(1, 1, topic, encode_batch(header, records), received_ms, properties)


def record(seq: int) -> LightRecord:
    lux = 5 + seq % 40 / 8
    return LightRecord(
        seq=seq, t=START_MS + seq * MINUTE_MS, dur_s=60, valid_s=60, lux_p10=lux - 0.5,
        lux_p50=lux, lux_p90=lux + 0.5, lux_max=lux + 2, sensor="opt3001", full_scale_lx=83_865.6,
        integration_ms=100, samples_n=120,
    )  # fmt: skip


def direct_rate(dsn: str, messages: Sequence[Message]) -> float:
    """Rows a second into the hypertable with its unique key, from decoded records."""
    parts = [part for m in messages if isinstance(part := decode_message(m), RecordsPart)]
    keys = sorted({part.key for part in parts})
    index = {key: k for k, key in enumerate(keys)}
    total_n = sum(len(part.records) for part in parts)
    per_batch = max(1, BATCH_ROWS * len(parts) // total_n)
    with open_connection(dsn, name="benchmark") as conn:
        began_s = time.perf_counter()
        for at in range(0, len(parts), per_batch):
            group = parts[at : at + per_batch]
            rows = Rows.of(Stream.LIGHT, group, index, keys)
            every = np.ones(len(rows), dtype=np.bool_)
            arrays = rows.arrays(every, np.zeros(len(group), dtype=np.int64))
            conn.execute(tables.INSERT_RAW[Stream.LIGHT], arrays)
        return total_n / (time.perf_counter() - began_s)


def store_rate(dsn: str, messages: Sequence[Message], per_message: int) -> float:
    """Rows a second from payloads through decoding, ledger and table."""
    per_batch = max(1, BATCH_ROWS // per_message)
    with open_connection(dsn, name="benchmark") as conn:
        began_s = time.perf_counter()
        for at in range(0, len(messages), per_batch):
            parts = [p for m in messages[at : at + per_batch] if (p := decode_message(m))]
            store(conn, parts, dead_letter_max_rows=1)
        return len(messages) * per_message / (time.perf_counter() - began_s)


class Bench:
    """The stack, certificates and a database with nodes."""

    def __init__(self, stack: LocalStack, authority: Credential, folder: Path) -> None:
        self.stack = stack
        self._authority = authority
        self._folder = folder
        self.nodes = [f"bench-{n:03}" for n in range(20)]
        # One certificate publishes for all nodes: the access list lets a node write its own topics
        # alone, so each node needs its own connection.
        stack.postgres.create_database("bench")
        self._superuser = stack.postgres.dsn(dbname="bench")
        migrate(self._superuser)
        stack.postgres.allow_login("msl_ingest")
        self.dsn = stack.postgres.dsn(user="msl_ingest", dbname="bench")
        with psycopg.connect(self._superuser, autocommit=True) as conn:
            conn.execute("INSERT INTO lab (lab_id, name) VALUES ('bench', 'Benchmark')")
            for node in self.nodes:
                conn.execute(
                    "INSERT INTO node (node_id, lab_id, created_at)"
                    " VALUES (%s, 'bench', '2000-01-01Z')",
                    (node,),
                )

    def empty(self) -> None:
        """Begin anew, so that no run pays for the rows of another."""
        with psycopg.connect(self._superuser, autocommit=True) as conn:
            conn.execute("TRUNCATE light_raw, rollup_mark")

    def ingester(self) -> "subprocess.Popen[bytes]":
        files = ca.issue_process(self._authority, "srv-ingest").save(self._folder)
        broker = self.stack.broker
        env = os.environ | {
            "MSL_DATABASE_DSN": self.dsn,
            "MSL_BROKER_PORT": str(broker.port),
            "MSL_BROKER_CA_FILE": str(broker.ca_file),
            "MSL_BROKER_CERT_FILE": str(files.certificate),
            "MSL_BROKER_KEY_FILE": str(files.key),
            "MSL_INGEST_METRICS_PORT": str(free_port()),
            "MSL_INGEST_BATCH_ROWS": str(BATCH_ROWS),
            "MSL_INGEST_RECEIVE_MAXIMUM": str(2 * BATCH_ROWS),
        }
        return subprocess.Popen([sys.executable, "-m", "server.cli", "ingest"], cwd=ROOT, env=env)

    def publishers(self, load: Load) -> "list[Publisher]":
        by_node: dict[str, list[Message]] = {node: [] for node in load.nodes}
        for message in load.messages():
            by_node[message.topic.split("/")[2]].append(message)
        found = []
        for node, messages in by_node.items():
            files = ca.issue_node(self._authority, node).save(self._folder)
            broker = self.stack.broker
            paths = (str(broker.ca_file), str(files.certificate), str(files.key))
            last = len(messages) * load.per_message
            found.append(Publisher(node, broker.port, paths, messages, last))
        return found


@dataclass
class Publisher:
    """One node: publishes everything at once and waits for its last end-to-end ack."""

    node: str
    port: int
    paths: tuple[str, str, str]
    messages: Sequence[Message]
    last_seq: int

    def connect(self) -> None:
        self.done_s = 0.0
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=self.node, protocol=mqtt.MQTTv5
        )
        self.client.tls_set(*self.paths)
        self.client.max_inflight_messages_set(100)
        self.client.on_message = self._heard
        self.client.connect("127.0.0.1", self.port)
        self.client.subscribe(topics.down_filter(self.node), qos=1)
        self.client.loop_start()

    def publish(self) -> None:
        for message in self.messages:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.UserProperty = list(message.properties)
            self.client.publish(message.topic, message.payload, qos=1, properties=properties)

    def _heard(self, client: mqtt.Client, data: object, message: mqtt.MQTTMessage) -> None:
        if decode_ack(bytes(message.payload)).seq >= self.last_seq:
            self.done_s = time.monotonic()


def publish_all(
    publishers: "list[Publisher]", pipe: "multiprocessing.connection.Connection"
) -> None:
    """In a process of its own: publish, and say how long it took until all was acknowledged."""
    for publisher in publishers:
        publisher.connect()
    time.sleep(1.0)
    began_s = time.monotonic()
    for publisher in publishers:
        publisher.publish()
    while not all(publisher.done_s for publisher in publishers):
        time.sleep(0.01)
    pipe.send(max(publisher.done_s for publisher in publishers) - began_s)
    for publisher in publishers:
        publisher.client.disconnect()
        publisher.client.loop_stop()


def end_to_end(bench: Bench, load: Load) -> tuple[float, float]:
    """Rows a second from the first publish to the last acknowledgement, and the ingester's CPU.

    Returns:
        Rate (1/s), and CPU time of the ingester a message, its start included (µs).
    """
    ours, theirs = multiprocessing.Pipe()
    publishers = bench.publishers(load)
    ingester = bench.ingester()
    try:
        time.sleep(3)
        context = multiprocessing.get_context("fork")
        process = context.Process(target=publish_all, args=(publishers, theirs))
        process.start()
        took_s: float = ours.recv()
        process.join()
    finally:
        ingester.terminate()
        _, _, used = os.wait4(ingester.pid, 0)
        ingester.returncode = 0
    messages_n = load.records_n / load.per_message
    return load.records_n / took_s, (used.ru_utime + used.ru_stime) * 1e6 / messages_n


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=60_000, help="in 60s a message")
    parser.add_argument("--singles", type=int, default=10_000, help="one a message")
    wanted = parser.parse_args()
    authority = ca.create_root("benchmark")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = authority.save(folder)
        server = ca.issue_server(authority, "broker").save(folder)
        tls = BrokerTls(ca_file=root.certificate, cert_file=server.certificate, key_file=server.key)
        with LocalStack(folder / "stack", tls=tls) as stack:
            run(Bench(stack, authority, folder), wanted.records, wanted.singles)


def run(bench: Bench, records_n: int, singles_n: int) -> None:
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, 20 nodes")
    for per_message, total_n in ((60, records_n), (1, singles_n)):
        print(f"{per_message} records a message, {total_n} records:")
        first = Load(bench.nodes, total_n, per_message, new_spool_id())
        direct = direct_rate(bench.dsn, first.messages())
        bench.empty()
        stored = store_rate(bench.dsn, first.messages(), per_message)
        bench.empty()
        again = Load(bench.nodes, total_n, per_message, new_spool_id())
        through, cpu_us = end_to_end(bench, again)
        bench.empty()
        print(f"  direct      {direct:9.0f} rows/s")
        print(f"  store       {stored:9.0f} rows/s  {stored / direct:.2f} x direct")
        print(f"  end to end  {through:9.0f} rows/s  {through / direct:.2f} x direct")
        print(f"  ingester    {cpu_us:9.0f} us CPU a message")
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
