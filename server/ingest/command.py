"""`msl ingest` and `msl dead-letters`."""

import logging
import signal
import threading
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Annotated
from wsgiref.simple_server import WSGIServer

import typer
from prometheus_client import start_http_server

from contract import topics
from contract.streams import Stream
from server import settings as settings_table
from server.errors import MslError
from server.ingest.broker_access import BrokerAccess
from server.ingest.connection import open_connection
from server.ingest.dead_letter_command import app as dead_letters
from server.ingest.limits import Limits
from server.ingest.metrics import Metrics
from server.ingest.receive import KINDS, MqttReceiver
from server.ingest.writer import Writer
from server.settings import Settings

log = logging.getLogger(__name__)

__all__ = ["app", "dead_letters"]

app = typer.Typer(add_completion=False)


class UnknownStream(MslError):
    """--streams names something else."""


class MetricsPortTaken(MslError):
    """Something else listens where the metrics should be."""


class BrokerNotSet(MslError):
    """A file that the broker connection needs isn't named."""


@app.command()
def ingest(
    streams: Annotated[
        str | None,
        typer.Option(help="Only these, separated by commas. Default: all, in one process."),
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
) -> None:
    """Store what nodes send, exactly once, until stopped by SIGTERM or Ctrl-C.

    The client id is the common name of the certificate (broker_cert_file): srv-ingest for all
    streams, srv-ingest-light and so on for a process of its own. Births, wills and walk tests go
    with the stream `event`. Metrics are on metrics_host, ingest_metrics_port.

    Example: msl ingest --streams light,noise
    """
    values = settings_table.load(settings)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    run(values, kinds_of(streams), _stop_on_signal())


def run(values: Settings, kinds: tuple[str, ...], stop: threading.Event) -> None:
    """Ingest `kinds` until `stop` is set."""
    metrics = Metrics()
    server, thread = _show(metrics, values)
    connect = partial(open_connection, values.dsn(), statement_timeout_s=values.ingest_patience_s)
    limits = Limits(
        batch_rows=values.ingest_batch_rows,
        # The broker must be able to fill the next batch while this one is being committed.
        batch_messages=max(1, values.ingest_receive_maximum // 2),
        linger_s=values.ingest_linger_ms / 1000,
        dead_letter_max_rows=values.dead_letter_max_rows,
    )
    try:
        with MqttReceiver(
            _access(values),
            kinds=kinds,
            receive_maximum=values.ingest_receive_maximum,
            metrics=metrics,
            silence_s=values.ingest_patience_s,
        ) as receiver:
            Writer(receiver, connect, limits, metrics, stop).run()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _show(metrics: Metrics, values: Settings) -> tuple[WSGIServer, threading.Thread]:
    host, port = values.metrics_host, values.ingest_metrics_port
    try:
        return start_http_server(port, addr=host, registry=metrics.registry)
    except OSError as error:
        raise MetricsPortTaken(
            f"metrics can't be shown on {host}:{port}: {error.strerror};"
            " give each ingester its own MSL_INGEST_METRICS_PORT"
        ) from error


def kinds_of(streams: str | None) -> tuple[str, ...]:
    """What to subscribe for `--streams`.

    Raises:
        UnknownStream: A name isn't a stream's.
    """
    if streams is None:
        return KINDS
    names = [name.strip() for name in streams.split(",")]
    for name in names:
        if name not in [stream.value for stream in Stream]:
            raise UnknownStream(f"no stream is called {name!r}; there are {', '.join(Stream)}")
    with_event = (topics.STATUS, topics.WALKTEST) if Stream.EVENT.value in names else ()
    return (*dict.fromkeys(names), *with_event)


def _access(values: Settings) -> BrokerAccess:
    files = {}
    for name in ("broker_ca_file", "broker_cert_file", "broker_key_file"):
        path = getattr(values, name)
        if path is None:
            raise BrokerNotSet(
                f"{name} is not set; set {settings_table.variable(name)} to its path"
            )
        files[name.removeprefix("broker_")] = Path(path)
    return BrokerAccess(host=values.broker_host, port=values.broker_port, **files)


def _stop_on_signal() -> threading.Event:
    stop = threading.Event()

    def ask(signum: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop
