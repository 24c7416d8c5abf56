"""Reports of one window added up into what a footfall record says."""

from dataclasses import dataclass, field

from contract.flags import Flag
from contract.records import LineCount
from edge.sensors.footfall.geometry import Geometry
from edge.sensors.footfall.reports import Report, SightState

# People can still be followed at 3.5 frames a second; under 2 they can't.
LOWEST_FPS = 2.0
# A window in which less than this was seen has no count worth the name.
LEAST_SEEN_S = 1.0

FLAG_OF = {
    SightState.DARK: Flag.DARK,
    SightState.COVERED: Flag.OCCLUDED,
    SightState.FROZEN: Flag.OCCLUDED,
    SightState.MOVED: Flag.OCCLUDED,
}


@dataclass(frozen=True, kw_only=True)
class FootfallFields:
    """The fields of a footfall record that come from counting, named as in the contract."""

    valid_s: float
    lines: list[LineCount]
    occupancy: float | None
    fps: float | None
    scene_luma: float | None
    geometry_rev: int
    flags: list[Flag]


@dataclass
class FootfallStats:
    """One window's sums.

    Add every report whose media time falls into the window, then read `fields()`. A report that
    straddles the window's end belongs to the window in which it came: at most one second's worth.
    """

    geometry: Geometry
    simulated: bool = False
    seen_s: float = 0.0
    frames: int = 0
    occupancy_sum: int = 0
    luma_sum: float = 0.0
    reports: int = 0
    states: set[SightState] = field(default_factory=set)
    counts: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = [[0, 0] for _ in self.geometry.lines]

    def add(self, report: Report) -> None:
        self.seen_s += report.seen_s
        self.frames += report.frames
        self.occupancy_sum += report.occupancy_sum
        if report.state is not SightState.NO_FRAMES:
            self.luma_sum += report.luma
            self.reports += 1
        self.states.add(report.state)
        for total, (a_to_b, b_to_a) in zip(self.counts, report.counts, strict=True):
            total[0] += a_to_b
            total[1] += b_to_a

    def fields(self) -> FootfallFields:
        """What the record says; counts are null when nothing was seen, and 0 only when looked."""
        blind = self.seen_s < LEAST_SEEN_S
        zone = self.geometry.zone if self.frames and not blind else None
        return FootfallFields(
            valid_s=0.0 if blind else round(self.seen_s, 3),
            lines=[
                LineCount(
                    line=line.name,
                    a_to_b=None if blind else a_to_b,
                    b_to_a=None if blind else b_to_a,
                )
                for line, (a_to_b, b_to_a) in zip(self.geometry.lines, self.counts, strict=True)
            ],
            occupancy=round(self.occupancy_sum / self.frames, 3) if zone else None,
            fps=None if blind else round(self.fps, 2),
            scene_luma=round(self.luma_sum / self.reports, 1) if self.reports else None,
            geometry_rev=self.geometry.rev,
            flags=self._flags(blind=blind),
        )

    @property
    def fps(self) -> float:
        return self.frames / self.seen_s if self.seen_s else 0.0

    def _flags(self, *, blind: bool) -> list[Flag]:
        flags = {FLAG_OF[state] for state in self.states if state in FLAG_OF}
        if not blind and self.fps < LOWEST_FPS:
            flags.add(Flag.LOW_FPS)
        if self.simulated:
            flags.add(Flag.SIMULATED)
        return [flag for flag in Flag if flag in flags]
