"""The agent: sensors to windows to spool to uplink, until it is told to stop.

One thread a stream, one for the uplink; this one commits the spool once a second, keeps the health
window, and applies configuration. Stopping cuts the open windows short, commits them and ends.
"""

import logging
import queue
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from contract.errors import DecodeError
from contract.events import ConfigApplied, Restart, SensorFault
from contract.flags import Flag
from contract.messages import Config, Windows
from contract.records import HealthRecord, Record
from contract.streams import MEASURED_STREAMS, Stream
from edge.clock import Clock, FastClock, TrustedClock
from edge.config_store import ConfigStore
from edge.down_answers import DownAnswers
from edge.downlink import Downlink
from edge.errors import SettingsError
from edge.feeds.feed import Feed
from edge.feeds.footfall import footfall_feed
from edge.feeds.light import light_feed
from edge.feeds.noise import noise_feed
from edge.health import HealthSource, HealthStats
from edge.identity import boot_id, software_rev
from edge.on_site import OnSite
from edge.recent_windows import RecentWindows
from edge.sensor_states import OK, SensorStates
from edge.sensors.footfall.geometry import Geometry
from edge.settings import Settings
from edge.spool import Spool
from edge.spool_answers import SpoolUnwritable
from edge.spool_rows import to_t_ms
from edge.stream_worker import StreamWorker
from edge.uplink import Uplink
from edge.uplink_settings import broker_settings, uplink_timing
from edge.windows import Piece, Windower

log = logging.getLogger(__name__)

# One commit a second: at most a second of finished windows is lost with the power, and an SD card
# lasts.
FLUSH_S = 1.0
# How often a finite run looks whether it is done.
FAST_FLUSH_S = 0.1
# Without run.start_at, files read with --fast begin this long ago: a time in the future would be
# held by the server.
FAST_BEGINS_AGO_S = 3600.0
EXIT_OK = 0
EXIT_NOT_ACKNOWLEDGED = 3


@dataclass(frozen=True)
class Mode:
    """How a run goes on and ends.

    Attributes:
        fast: Files and emulated sensors on a clock of their own, as fast as they can be read.
        once: End with the inputs, once the server has acknowledged everything.
    """

    fast: bool = False
    once: bool = False


class Agent:
    """One node.

    Args:
        settings: Checked settings.
        mode: How it runs.

    Raises `SettingsError` for settings that can't work together, `SpoolBusy` when another agent
    has the spool.
    """

    def __init__(self, settings: Settings, mode: Mode | None = None) -> None:
        self._settings = settings
        self._mode = mode or Mode()
        self._state_dir = settings.path("state_dir") or Path("state")
        self._clock = TrustedClock(always=settings.text("trust_clock") == "always")
        self._store = ConfigStore(self._state_dir / "config.json")
        self._config = self._store.load()
        self._stopping = threading.Event()
        self._recent = RecentWindows(self._state_dir / "recent.json")
        self._new_configs: queue.SimpleQueue[Config] = queue.SimpleQueue()
        self._link = "offline"
        self._end_s: float | None = settings.number("run.seconds") or None
        self._start_utc_s = self._fast_start_utc_s()
        feeds = self._feeds()
        self._check_it_ends(feeds)
        broker, timing = broker_settings(settings), uplink_timing(settings)
        broker.tls_context()  # certificates that can't be used are said now, not in a thread
        self.spool = Spool(
            self._state_dir / "spool.db",
            limit_bytes=settings.integer("spool.limit_bytes"),
            clock=self._clock,
            boot=boot_id(),
            rev=software_rev(),
            flags=[Flag.SIMULATED] if settings.flag("simulated") else [],
        )
        if self.spool.get_meta("synced_boot") == self.spool.origin.boot:
            self._clock.trust()
        self.states = SensorStates(self._clock, self._sensor_changed)
        self._workers = {feed.stream: self._worker(feed) for feed in feeds}
        self.uplink = Uplink(
            settings.text("node_id"),
            broker,
            self.spool,
            self._clock,
            timing=timing,
            on_state=self._link_changed,
        )
        self._on_site = OnSite(
            settings, self._clock, self._state_dir, self.spool, self.uplink, self._workers
        )
        answers = DownAnswers(
            self.spool,
            self._clock,
            self.states,
            self._store,
            self._new_configs.put,
            self.uplink.carry_nonce,
            self._on_site.walk,
        )
        self.uplink.downlink = Downlink(settings.text("node_id"), self._clock, answers)
        self._health = self._health_windower()
        self._health_seen_s = self._clock.boot_s()

    def stop(self) -> None:
        """End soon; may be called from a signal handler."""
        self._stopping.set()

    def run(self) -> int:
        """Measure until stopped or, with `once`, until the inputs end; return the exit code."""
        try:
            self._begin()
            if self._mode.fast:
                self._run_fast()
            else:
                self._run_live()
            self._finish_measuring()
            code = self._drain() if self._mode.once else EXIT_OK
            self._note("clean", "yes")
            return code
        finally:
            self.uplink.stop()
            self._on_site.close()
            self.spool.close()

    # The course of a run

    def _begin(self) -> None:
        self.states.set("spool", OK)
        self.spool.event(self._restart())
        self._note("boot", self.spool.origin.boot)
        self._note("clean", "no")
        self.uplink.start()
        self._health.begin(self._clock.boot_s())
        self._on_site.open(self.states)

    def _run_live(self) -> None:
        began_s = self._clock.boot_s()
        for worker in self._workers.values():
            worker.start()
        while not self._stopping.is_set():
            self._turn()
            ending = [worker for worker in self._workers.values() if worker.feed.ends]
            done = bool(ending) and all(worker.ended for worker in ending)
            if self._mode.once and done:
                return
            if self._end_s and self._clock.boot_s() - began_s >= self._end_s:
                return
            self._stopping.wait(FLUSH_S)

    def _run_fast(self) -> None:
        """Files first; what has no end of its own is then run to the time that they reached."""
        ending = [worker for worker in self._workers.values() if worker.feed.ends]
        self._run_to_end(ending)
        reached_s = max((worker.clock_s for worker in ending), default=0.0)
        endless = [
            self._worker(worker.feed, self._end_s or reached_s)
            for worker in self._workers.values()
            if not worker.feed.ends
        ]
        self._run_to_end(endless)

    def _run_to_end(self, workers: list[StreamWorker]) -> None:
        for worker in workers:
            self._workers[worker.feed.stream] = worker
            worker.start()
        while not self._stopping.is_set() and not all(worker.ended for worker in workers):
            self._turn()
            self._stopping.wait(FAST_FLUSH_S)

    def _turn(self) -> None:
        self._see_health()
        while not self._new_configs.empty():
            self._apply(self._new_configs.get())
        self._on_site.turn(self.states)
        self._flush()

    def _see_health(self) -> None:
        """Let the health window take the time since it was last looked at."""
        now_s = self._clock.boot_s()
        self._health.add(Piece(self._health_seen_s, now_s - self._health_seen_s, None))
        self._health_seen_s = now_s

    def _note(self, key: str, value: str) -> None:
        """Remember something for the next start; a full disk only costs that."""
        try:
            if self.spool.get_meta(key) != value:
                self.spool.set_meta(key, value)
        except SpoolUnwritable as error:
            log.error("%s", error)

    def _flush(self) -> None:
        if self._clock.synced():
            self._note("synced_boot", self.spool.origin.boot)
        try:
            if self.spool.flush():
                self.uplink.wake()
        except SpoolUnwritable as error:
            log.error("%s", error)
            self.states.set("spool", error.state, str(error))
        else:
            self.states.set("spool", OK)

    def _finish_measuring(self) -> None:
        self._on_site.end()
        for worker in self._workers.values():
            worker.stop()
        for worker in self._workers.values():
            worker.join()
        self._see_health()  # inputs may end before the first turn
        self._health.close()
        self._flush()

    def _drain(self) -> int:
        """Wait until the server has everything; the exit code says whether it does."""
        until_s = time.monotonic() + self._settings.number("run.drain_s")
        while not self._stopping.is_set() and time.monotonic() < until_s:
            self._flush()
            if self.spool.depth().records_n == 0:
                return EXIT_OK
            self._stopping.wait(FAST_FLUSH_S)
        log.error(
            "%d records are spooled, but not acknowledged by the server; uplink is %s",
            self.spool.depth().records_n,
            self._link,
        )
        return EXIT_NOT_ACKNOWLEDGED

    # Making the parts

    def _feeds(self) -> list[Feed]:
        geometry = self._config and self._config.geometry
        feeds: list[Feed | None] = [
            light_feed(self._settings, self._stream_clock()),
            noise_feed(self._settings, self._stream_clock()),
            footfall_feed(
                self._settings,
                self._stream_clock(),
                Geometry.from_config(geometry) if geometry else None,
            ),
        ]
        return [feed for feed in feeds if feed is not None]

    def _stream_clock(self) -> Clock:
        return FastClock(self._start_utc_s) if self._mode.fast else self._clock

    def _worker(self, feed: Feed, end_s: float | None = None) -> StreamWorker:
        if end_s is None and self._mode.fast:
            end_s = self._end_s
        dur_s = getattr(self._windows(), f"{feed.stream.value}_s")
        return StreamWorker(
            feed, self.spool, self.states, dur_s, end_s=end_s, on_record=self._recent.note
        )

    def _windows(self) -> Windows:
        return (self._config and self._config.windows) or self._settings.windows()

    def _health_windower(self) -> Windower[None]:
        source = HealthSource(
            self.spool,
            self.states,
            self._clock,
            lambda: self._link,
            self._on_site.pir_share,
            clock_trusted=self._settings.text("trust_clock") == "always",
        )
        end_ms = self.spool.last_end_ms(Stream.HEALTH)
        return Windower(
            dur_s=self._windows().health_s,
            clock=self._clock,
            record_type=HealthRecord,
            new=lambda: HealthStats(source),
            emit=self._emit_health,
            covered_to_utc_s=(end_ms or 0) / 1000,
        )

    def _emit_health(self, record: Record, start_boot_s: float | None) -> None:
        try:
            self.spool.append(Stream.HEALTH, record, start_boot_s=start_boot_s)
        except DecodeError as error:
            log.error("health record can't be sent: %s", error)

    def _fast_start_utc_s(self) -> float:
        text = self._settings.text("run.start_at")
        if not text:
            return float(int(time.time() - (self._end_s or FAST_BEGINS_AGO_S)))
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise SettingsError(f"run.start_at is {text!r}; e.g. 2026-05-01T20:00:00Z") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

    def _check_it_ends(self, feeds: list[Feed]) -> None:
        if not feeds:
            log.warning("no sensor is set up: only health and events will be sent")
        if not (self._mode.fast or self._mode.once) or self._end_s:
            return
        if not any(feed.ends for feed in feeds):
            raise SettingsError(
                "--fast and --once need an input that ends (a video or WAV file,"
                " scene:…;seconds=60) or run.seconds"
            )

    # What happens on the way

    def _restart(self) -> Restart:
        boot, clean = self.spool.get_meta("boot"), self.spool.get_meta("clean")
        ends_ms = [end for s in MEASURED_STREAMS if (end := self.spool.last_end_ms(s))]
        now_ms = to_t_ms(self._clock.utc_s())
        down_from = max(ends_ms, default=None)
        known = down_from is not None and self._clock.synced() and down_from <= now_ms
        return Restart(
            reason=_restart_reason(boot, clean, self.spool.origin.boot),
            previous_boot=boot,
            down_from=down_from if known else None,
            down_to=now_ms if known else None,
        )

    def _apply(self, config: Config) -> None:
        """Put a stored configuration to work: streams that it changes begin a new window."""
        old = (self._config and self._config.geometry, self._windows())
        self._config = config
        new = (config.geometry, self._windows())
        changed = {
            stream
            for stream in self._workers
            if (stream is Stream.FOOTFALL and old[0] != new[0])
            or _length(old[1], stream) != _length(new[1], stream)
        }
        for feed in self._feeds() if changed else ():
            if feed.stream in changed:
                self._workers[feed.stream].stop()
                self._workers[feed.stream].join()
                self._workers[feed.stream] = self._worker(feed)
                self._on_site.lend_walk_test(self._workers[feed.stream])
                self._workers[feed.stream].start()
        if old[1].health_s != new[1].health_s:
            self._health.close()
            self._health = self._health_windower()
        detail = f"changed: {', '.join(sorted(changed)) or 'nothing that runs here'}"
        self.spool.event(ConfigApplied(config_rev=config.config_rev, ok=True, detail=detail))

    def _sensor_changed(self, sensor: str, state: str, detail: str | None) -> None:
        log.info("%s is %s%s", sensor, state, f": {detail}" if detail else "")
        self.spool.event(SensorFault(sensor=sensor, state=state, detail=detail))

    def _link_changed(self, state: str, detail: str) -> None:
        if state != self._link or state == "online":
            log.info("uplink %s: %s", state, detail)
        self._link = state


def _restart_reason(boot: str | None, clean: str | None, boot_now: str) -> str:
    if boot is None:
        return "first_start"
    if boot != boot_now:
        return "reboot"
    return "start" if clean == "yes" else "crash"


def _length(windows: Windows, stream: Stream) -> int:
    length: int = getattr(windows, f"{stream.value}_s")
    return length
