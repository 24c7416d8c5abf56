"""`msl-node selftest`: does every part of this node answer? One line each, for the technician."""

import contextlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from contract.events import CheckResult
from edge.clock import SystemClock, kernel_clock_synced
from edge.errors import NodeError
from edge.feeds.feed import Feed
from edge.feeds.footfall import footfall_feed
from edge.feeds.light import light_feed
from edge.feeds.noise import noise_feed
from edge.health import disk_free_bytes
from edge.identity import boot_id, software_rev
from edge.sensor_states import OK
from edge.settings import Settings
from edge.spool import Spool
from edge.uplink_settings import broker_settings

# A counter needs some seconds before it sees; a lux sensor one.
SENSOR_TIMEOUT_S = 45.0
CONNECT_TIMEOUT_S = 10.0
LEAST_DISK_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Outcome:
    """One check: what, whether it passed (None: nothing to check), and what was seen."""

    check: str
    ok: bool | None
    detail: str


def selftest(settings: Settings) -> Iterator[Outcome]:
    """Run every check; none of them raises, and none touches the node's own spool."""
    yield _clock(settings)
    yield _disk(settings)
    yield _spool()
    clock = SystemClock()
    makers: list[tuple[str, Callable[[], Feed | None]]] = [
        ("light", lambda: light_feed(settings, clock)),
        ("noise", lambda: noise_feed(settings, clock)),
        ("footfall", lambda: footfall_feed(settings, clock)),
    ]
    for name, make in makers:
        yield _sensor(name, make)
    yield _broker(settings)


def _clock(settings: Settings) -> Outcome:
    if settings.text("trust_clock") == "always":
        return Outcome("clock", True, "trusted by settings")
    synced = kernel_clock_synced()
    return Outcome(
        "clock", synced, "in sync" if synced else "not in sync; check the network's time service"
    )


def _disk(settings: Settings) -> Outcome:
    folder = settings.path("state_dir") or Path()
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = disk_free_bytes(existing) or 0
    return Outcome("disk", free >= LEAST_DISK_BYTES, f"{free / 2**20:.0f} MiB free at {existing}")


def _spool() -> Outcome:
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            Spool(
                Path(folder) / "spool.db",
                limit_bytes=2**20,
                clock=SystemClock(),
                boot=boot_id(),
                rev=software_rev(),
            ) as spool,
        ):
            spool.event(CheckResult(check="spool", ok=True))
            spool.flush()
    except (OSError, NodeError) as error:
        return Outcome("spool", False, str(error))
    return Outcome("spool", True, "writes and commits")


def _sensor(name: str, make: Callable[[], Feed | None]) -> Outcome:
    try:
        feed = make()
        if feed is None:
            return Outcome(name, None, "off")
        return _first_reading(name, feed)
    except NodeError as error:
        return Outcome(name, False, str(error))


def _first_reading(name: str, feed: Feed) -> Outcome:
    """Wait for a reading in which the sensor measures."""
    timer = threading.Timer(SENSOR_TIMEOUT_S, feed.stop)
    timer.start()
    state = "silent"
    try:
        for reading in feed.readings():
            state = reading.state
            if state == OK:
                simulated = " (emulated)" if feed.simulated else ""
                return Outcome(name, True, f"measures{simulated}")
    finally:
        timer.cancel()
        feed.stop()
    return Outcome(name, False, f"{state} for {SENSOR_TIMEOUT_S:.0f} s")


def _broker(settings: Settings) -> Outcome:
    broker = broker_settings(settings)
    where = f"{broker.host}:{broker.port}"
    try:
        context = broker.tls_context()
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(
                socket.create_connection((broker.host, broker.port), CONNECT_TIMEOUT_S)
            )
            if context is not None:
                stack.enter_context(context.wrap_socket(sock, server_hostname=broker.host))
    except (NodeError, OSError, ssl.SSLError) as error:
        return Outcome("broker", False, f"{where}: {error}")
    return Outcome("broker", True, f"{where} answers{'' if context else ', without TLS'}")
