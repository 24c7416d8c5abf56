"""One frame in, counts out: sight, detector, tracker, lines and zone put together."""

from typing import Protocol

from edge.sensors.footfall.frames import Frame
from edge.sensors.footfall.geometry import Geometry
from edge.sensors.footfall.reports import Report, SightState
from edge.sensors.footfall.vision.detector import Detector
from edge.sensors.footfall.vision.line_counter import LineCounter
from edge.sensors.footfall.vision.sight import Sight
from edge.sensors.footfall.vision.tracker import Tracker
from edge.sensors.footfall.vision.zone_counter import ZoneCounter

# Between frames further apart than this nobody was watched.
LONGEST_SEEN_GAP_S = 1.0


class Watch(Protocol):
    """Whether the counter can be believed at this time."""

    def alive(self, media_s: float) -> bool: ...


class PeopleCounter:
    """Counts people; `report` gives what came together since the report before.

    Args:
        geometry: In pixels of the frames.
        first_frame: Where media time begins.
        canary: Says from time to time whether the counter itself still works.
    """

    def __init__(
        self,
        geometry: Geometry,
        detector: Detector,
        first_frame: Frame,
        canary: Watch | None = None,
    ) -> None:
        self._canary = canary
        self._detector = detector
        self._tracker = Tracker()
        self._sight = Sight()
        self._lines = [LineCounter(line) for line in geometry.lines]
        self._zone = ZoneCounter(geometry.zone)
        self._media_s = first_frame.media_s
        self._reported_s = first_frame.media_s
        self._frame = 0
        self._sequence = 0
        self._seen_s = 0.0
        self._frames = 0
        self._state = SightState.SEEING

    def add(self, frame: Frame) -> None:
        """Look at one frame."""
        passed_s = max(0.0, frame.media_s - self._media_s)
        self._media_s, self._frame = frame.media_s, frame.number
        before, self._state = self._state, self._sight.look(frame)
        if self._canary and not self._canary.alive(frame.media_s):
            self._state = SightState.CANARY_MISSED
        if self._state is not SightState.SEEING:
            if before is SightState.SEEING:
                self._detector.forget()
                self._tracker.forget()
            return
        expected = self._tracker.predict(passed_s)
        found = self._detector.detect(frame, expected).within(frame.width, frame.height)
        seen = self._tracker.update(found)
        if not self._detector.ready:
            self._state = SightState.WARMING_UP
        alive = self._tracker.ids
        for line in self._lines:
            line.update(seen, alive)
        self._zone.update(seen)
        self._frames += 1
        self._seen_s += min(passed_s, LONGEST_SEEN_GAP_S)

    def due(self, every_s: float) -> bool:
        """Whether `every_s` of media time have passed since the last report."""
        return self._media_s - self._reported_s >= every_s - 1e-6

    def report(self, *, ended: bool = False, no_frames_until_s: float | None = None) -> Report:
        """Counts since the last report; `no_frames_until_s` says that nothing came until then."""
        if no_frames_until_s is not None:
            self._media_s = max(self._media_s, no_frames_until_s)
            self._state = SightState.NO_FRAMES
        report = Report(
            sequence=self._sequence,
            frame=self._frame,
            media_s=self._media_s,
            span_s=self._media_s - self._reported_s,
            seen_s=self._seen_s,
            frames=self._frames,
            occupancy_sum=self._zone.take(),
            luma=round(self._sight.luma),
            state=self._state,
            counts=tuple(line.take() for line in self._lines),
            ended=ended,
        )
        self._sequence += 1
        self._reported_s = self._media_s
        self._seen_s, self._frames = 0.0, 0
        return report
