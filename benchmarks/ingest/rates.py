"""How many a second: the table alone, paho alone, our receiver alone, and all of ingest."""

import multiprocessing
import os
import resource
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from benchmarks.ingest.city import City
from benchmarks.ingest.load import Load
from benchmarks.ingest.publish import connected, publish_all
from contract import topics
from contract.limits import SESSION_EXPIRY_S
from contract.streams import Stream
from server.ingest import tables
from server.ingest.connection import open_connection
from server.ingest.decode import decode_message
from server.ingest.inbound import Message, RecordsPart
from server.ingest.limits import Limits
from server.ingest.metrics import Metrics
from server.ingest.receive import MqttReceiver
from server.ingest.rows import Rows
from server.ingest.writer import Writer

BATCH_ROWS = 5000
RECEIVE_MAXIMUM = 10_000
PATIENCE_S = 90.0
Kinds = tuple[str, ...]


@dataclass(frozen=True)
class Drained:
    """What one process took from the broker.

    Attributes:
        seconds: From connected until the last was acknowledged.
        cpu_s: Its own processor time, start included.
        rss_bytes: The most memory that it held.
    """

    messages_n: int
    seconds: float
    cpu_s: float
    rss_bytes: int

    @property
    def per_s(self) -> float:
        return self.messages_n / self.seconds


def direct_rate(city: City, load: Load) -> float:
    """Rows a second by the very same `INSERT ... SELECT unnest ... ON CONFLICT`, from records."""
    messages = load.messages()
    parts = [part for m in messages if isinstance(part := decode_message(m), RecordsPart)]
    keys = sorted({part.key for part in parts})
    index = {key: k for k, key in enumerate(keys)}
    per_batch = max(1, BATCH_ROWS // load.per_message)
    with open_connection(city.dsn(), name="benchmark") as conn:
        began_s = time.perf_counter()
        for at in range(0, len(parts), per_batch):
            group = parts[at : at + per_batch]
            rows = Rows.of(load.stream, group, index, keys)
            every = np.ones(len(rows), dtype=np.bool_)
            arrays = rows.arrays(every, np.zeros(len(group), dtype=np.int64))
            conn.execute(tables.INSERT_RAW[load.stream], arrays)
        took_s = time.perf_counter() - began_s
    city.empty()
    return load.records_n / took_s


def drained(city: City, loads: Sequence[Load], drain: "Drain", workers: Sequence[Kinds]) -> float:
    """Messages a second out of a full broker, by one process for each of `workers`."""
    names = worker_names(workers)
    for name, kinds in zip(names, workers, strict=True):
        forked(drain, city, name, kinds, 0)  # begins the session, which then fills
    for load in loads:
        with connected(city, load.messages()) as nodes:
            publish_all(nodes)
    took = in_parallel(city, drain, names, workers, loads)
    city.empty()
    return sum(load.messages_n for load in loads) / max(each.seconds for each in took)


def end_to_end(city: City, load: Load) -> tuple[float, Drained]:
    """Rows a second while nodes publish: from the first publish to the last acknowledgement."""
    name, kinds = "srv-ingest", (load.stream.value,)
    forked(ingest_drain, city, name, kinds, 0)
    messages = load.messages()
    with connected(city, messages) as nodes:
        ours, process = fork(ingest_drain, city, name, kinds, load.messages_n)
        time.sleep(1.0)
        began_s = time.monotonic()
        publish_all(nodes)
        ended_s, found = ours.recv()
        process.join()
    city.empty()
    return load.records_n / (ended_s - began_s), found


# What runs in a process of its own: until `messages_n` have been dealt with.

Drain = Callable[[City, str, Kinds, int], tuple[float, float]]


def paho_drain(city: City, name: str, kinds: Kinds, messages_n: int) -> tuple[float, float]:
    """Take and acknowledge with paho's manual acknowledgement, and look at nothing."""
    done, state = threading.Event(), {"n": 0, "began_s": 0.0}

    def heard(client: mqtt.Client, data: object, message: mqtt.MQTTMessage) -> None:
        client.ack(message.mid, message.qos)
        state["n"] += 1
        if state["n"] == messages_n:
            done.set()

    def joined(client: mqtt.Client, *_: object) -> None:
        client.subscribe([(topics.up_filter(kind), 1) for kind in kinds])
        state["began_s"] = time.monotonic()
        if not messages_n:
            threading.Timer(0.5, done.set).start()

    access = city.access(name)
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5, manual_ack=True
    )
    client.tls_set(str(access.ca_file), str(access.cert_file), str(access.key_file))
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_EXPIRY_S
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    client.on_message, client.on_connect = heard, joined
    client.connect(access.host, access.port, clean_start=False, properties=properties)
    client.loop_start()
    assert done.wait(PATIENCE_S), f"{state['n']} of {messages_n} came"
    ended_s = time.monotonic()
    client.disconnect()
    client.loop_stop()
    return state["began_s"], ended_s


def receiver_drain(city: City, name: str, kinds: Kinds, messages_n: int) -> tuple[float, float]:
    """Take and acknowledge with our own receiver, and look at nothing."""
    with receiver(city, name, kinds, Metrics()) as taking:
        began_s, n = wait_for_connection(taking), 0
        while n < messages_n:
            batch: list[Message] = []
            while len(batch) < 1000 and (message := taking.take(0.01)) is not None:
                batch.append(message)
            taking.acknowledge(batch)
            n += len(batch)
        return began_s, time.monotonic()


def ingest_drain(city: City, name: str, kinds: Kinds, messages_n: int) -> tuple[float, float]:
    """All of ingest, as `msl ingest` runs it: committed and acknowledged end to end."""
    metrics, stop = Metrics(), threading.Event()
    limits = Limits(
        batch_rows=BATCH_ROWS, batch_messages=RECEIVE_MAXIMUM // 2, linger_s=0.03,
        dead_letter_max_rows=1000,
    )  # fmt: skip
    with receiver(city, name, kinds, metrics) as taking:
        writer = Writer(taking, lambda: open_connection(city.dsn()), limits, metrics, stop)
        thread = threading.Thread(target=writer.run)
        began_s = wait_for_connection(taking)
        thread.start()
        while acknowledged(metrics) < messages_n:
            assert time.monotonic() - began_s < PATIENCE_S, f"{acknowledged(metrics)} came"
            time.sleep(0.005)
        ended_s = time.monotonic()
        stop.set()
        thread.join()
    return began_s, ended_s


def receiver(city: City, name: str, kinds: Kinds, metrics: Metrics) -> MqttReceiver:
    return MqttReceiver(
        city.access(name), kinds=kinds, receive_maximum=RECEIVE_MAXIMUM, metrics=metrics
    )


def wait_for_connection(taking: MqttReceiver) -> float:
    while not taking.connected:
        time.sleep(0.001)
    return time.monotonic()


def acknowledged(metrics: Metrics) -> int:
    """Messages whose transaction is over."""
    return int(metrics.registry.get_sample_value("msl_ingest_settled_messages_total") or 0)


def worker_names(workers: Sequence[Kinds]) -> list[str]:
    """`srv-ingest` for one, `srv-ingest-light` and so on for several."""
    if len(workers) == 1:
        return ["srv-ingest"]
    return [f"srv-ingest-{Stream(kinds[0]).value}" for kinds in workers]


def fork(
    drain: Drain, city: City, name: str, kinds: Kinds, messages_n: int
) -> "tuple[Connection, multiprocessing.process.BaseProcess]":
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=_report, args=(theirs, drain, city, name, kinds, messages_n)
    )
    process.start()
    return ours, process


def forked(drain: Drain, city: City, name: str, kinds: Kinds, messages_n: int) -> Drained:
    ours, process = fork(drain, city, name, kinds, messages_n)
    found: Drained = ours.recv()[1]
    process.join()
    return found


def in_parallel(
    city: City, drain: Drain, names: Sequence[str], workers: Sequence[Kinds], loads: Sequence[Load]
) -> list[Drained]:
    begun = []
    for name, kinds in zip(names, workers, strict=True):
        messages_n = sum(load.messages_n for load in loads if load.stream.value in kinds)
        begun.append(fork(drain, city, name, kinds, messages_n))
    found = [ours.recv()[1] for ours, _ in begun]
    for _, process in begun:
        process.join()
    return found


def _report(
    pipe: Connection, drain: Drain, city: City, name: str, kinds: Kinds, messages_n: int
) -> None:
    began_s, ended_s = drain(city, name, kinds, messages_n)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s, rss_bytes = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
    pipe.send((ended_s, Drained(messages_n, ended_s - began_s, cpu_s, rss_bytes)))
    pipe.close()
    os._exit(0)  # the stack belongs to the parent, which must be the one to stop it
