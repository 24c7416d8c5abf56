"""Footfall: reports of the counter, whose processes alone see a picture."""

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from contract.flags import Flag
from contract.limits import MIN_FOOTFALL_WINDOW_S
from contract.streams import Stream
from edge.clock import Clock, FastClock
from edge.errors import SettingsError
from edge.feeds.feed import Reading
from edge.sensor_states import OK, STARTING
from edge.sensors.footfall.counter import FootfallCounter
from edge.sensors.footfall.geometry import Geometry, Line, Unit, Zone
from edge.sensors.footfall.models import DetectorSpec, ModelFolder
from edge.sensors.footfall.reports import Report, SightState
from edge.sensors.footfall.source_spec import SourceKind, SourceSpec
from edge.sensors.footfall.stats import FootfallStats
from edge.settings import Settings
from edge.walk_test import WalkTest
from edge.windows import Piece

STATE_OF = {
    SightState.SEEING: OK,
    SightState.WARMING_UP: STARTING,
    SightState.DARK: "too_dark",
}


class FootfallFeed:
    """Count reports of one camera, about one a second.

    Attributes:
        walk_test: Takes the reports of its time, which then don't enter the windows.
    """

    stream = Stream.FOOTFALL
    splits = False
    sens_db = None

    def __init__(
        self, source: SourceSpec, geometry: Geometry, detector: DetectorSpec, clock: Clock
    ) -> None:
        self.clock = clock
        self.geometry = geometry
        self.simulated = source.simulated
        # Of people who pass now, a start or stop shows no shorter counts either; a film may.
        self.least_window_s = float(MIN_FOOTFALL_WINDOW_S) if source.live else 0.0
        self.ends = source.kind is SourceKind.FILE or (
            source.kind is SourceKind.SCENE and source.option("seconds") > 0
        )
        self.rev_part = detector.rev
        self.walk_test: WalkTest | None = None
        self.source = source
        self._detector = detector
        self._counter: FootfallCounter | None = None

    def readings(self) -> Iterator[Reading]:
        self._counter = counter = FootfallCounter(
            under_the_sky_of(self.source, self.clock),
            self.geometry,
            detector=self._detector,
            fast=isinstance(self.clock, FastClock),
            start_s=self.clock.boot_s(),
        )
        for report in counter.reports():
            if isinstance(self.clock, FastClock):
                self.clock.sleep(report.media_s - self.clock.boot_s())
            piece = Piece(report.media_s - report.span_s, report.span_s, report)
            yield Reading(piece, STATE_OF.get(report.state, report.state.name.lower()))

    def new_stats(self) -> "_Window":
        return _Window(self)

    def stop(self) -> None:
        # Only ended, not tidied up: that is for the thread that reads its reports.
        pids = self._counter.pids if self._counter is not None else {}
        for pid in pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def under_the_sky_of(source: SourceSpec, clock: Clock) -> SourceSpec:
    """The source with the time at which its first frame is; real ones have their own."""
    if source.kind is not SourceKind.SCENE or not source.option("sky"):
        return source
    return replace(source, options={**source.options, "begin_utc_s": int(clock.utc_s())})


class _Window:
    """One window's counts, without the time of a walk test."""

    def __init__(self, feed: FootfallFeed) -> None:
        self._feed = feed
        self._lines = [line.name for line in feed.geometry.lines]
        self._stats = FootfallStats(feed.geometry)
        self._paused = False

    def add(self, report: Report, seconds: float) -> None:
        walk_test = self._feed.walk_test
        if walk_test is not None and walk_test.take(self._lines, report):
            self._paused = True
        else:
            self._stats.add(report)

    def record_fields(self) -> dict[str, Any]:
        fields = self._stats.fields()
        if self._paused and fields.valid_s < MIN_FOOTFALL_WINDOW_S:
            # What is left is too short a time to be told of people who pass.
            fields = FootfallStats(self._feed.geometry).fields()
        flags = [*fields.flags, Flag.MAINTENANCE] if self._paused else fields.flags
        return {**asdict(fields), "lines": fields.lines, "flags": flags}


def footfall_feed(
    settings: Settings, clock: Clock, geometry: Geometry | None = None
) -> FootfallFeed | None:
    """The camera that the settings name, or None.

    Args:
        geometry: What `down/config` brought; it replaces the settings' own.
    """
    text = settings.text("footfall.source")
    if text == "off":
        return None
    spec = SourceSpec.parse(text)
    if spec.kind is SourceKind.FILE:
        spec = SourceSpec(spec.kind, str(settings.base / spec.target), spec.options)
    if spec.kind is SourceKind.SCENE:
        spec = replace(spec, options={**_place(settings), **spec.options})
    detector = ModelFolder().find(settings.text("footfall.detector"))
    return FootfallFeed(spec, geometry or settings_geometry(settings), detector, clock)


def _place(settings: Settings) -> dict[str, float]:
    """Where an emulated street is, and what its lamp gives: what its light sensor sees too."""
    lamp_lx = settings.number("light.lamp_lx") if settings.flag("light.lamp_works") else 0.0
    return {
        "latitude_deg": settings.number("latitude_deg"),
        "longitude_deg": settings.number("longitude_deg"),
        "lamp_lx": lamp_lx,
    }


def settings_geometry(settings: Settings) -> Geometry:
    """Lines and zone of the settings; raises `SettingsError` for what can't be used."""
    unit = settings.text("footfall.unit")
    if unit not in set(Unit):
        raise SettingsError(f"footfall.unit is {unit!r}; expected {' or '.join(Unit)}")
    lines = tuple(
        Line.parse(text, f"line{number}")
        for number, text in enumerate(settings.texts("footfall.lines"), 1)
    )
    return Geometry(settings.integer("footfall.geometry_rev"), lines, _zone(settings), Unit(unit))


def _zone(settings: Settings) -> Zone | None:
    text = settings.text("footfall.zone")
    if not text:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
        return Zone(tuple(zip(numbers[::2], numbers[1::2], strict=True)))
    except ValueError:
        raise SettingsError(f"footfall.zone is {text!r}; expected x1,y1,x2,y2,x3,y3,…") from None
