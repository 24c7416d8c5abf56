"""Records without sensors: valid ones of every stream, straight into a spool, at any rate.

For chaos tests, benchmarks and backfills: from the spool on, everything is the real way. Values
follow a plain day (dark nights, a busy noon) with seeded noise, so a run can be repeated exactly.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from contract.events import Body, CheckResult, EventRecord
from contract.flags import Flag
from contract.records import (
    LAF_CLASS_DB,
    FootfallRecord,
    HealthRecord,
    LightRecord,
    LineCount,
    NoiseRecord,
    Record,
    SensorState,
)
from contract.streams import DEFAULT_WINDOW_S, MEASURED_STREAMS, Stream
from edge.spool import Spool
from edge.spool_rows import Origin

DAY_S = 86_400
SENS_DB = 120.0
# Records per commit; large enough that syncing the disk doesn't set the pace.
CHUNK_N = 1000


@dataclass
class RecordSource:
    """Makes records of one node.

    Args:
        seed: The same seed and times give the same records.
        lines: Names of the counting lines.
    """

    seed: int = 1
    lines: Sequence[str] = ("main",)
    flags: Sequence[Flag] = (Flag.SIMULATED,)
    _rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def record(self, stream: Stream, t_ms: int, dur_s: float | None = None) -> Record:
        """One record of `stream` whose window begins at `t_ms`; `seq` is set by the spool."""
        length_s = DEFAULT_WINDOW_S.get(stream, 0) if dur_s is None else dur_s
        base = {"seq": 1, "t": t_ms, "dur_s": length_s, "valid_s": length_s}
        record: Record = getattr(self, f"_{stream.value}")(day_share(t_ms), base)
        record.flags = list(self.flags)
        return record

    def _light(self, day: float, base: dict[str, float]) -> LightRecord:
        lux = round(12 + 20_000 * day**2 * self._rng.uniform(0.5, 1.0), 2)
        return LightRecord(
            **base,  # type: ignore[arg-type]
            lux_p10=round(lux * 0.95, 2),
            lux_p50=lux,
            lux_p90=round(lux * 1.05, 2),
            lux_max=round(lux * 1.2, 2),
            sensor="opt3001",
            full_scale_lx=83_865.6,
            integration_ms=100,
            samples_n=int(base["dur_s"] * 2),
        )

    def _noise(self, day: float, base: dict[str, float]) -> NoiseRecord:
        laeq = round(42 + 20 * day + self._rng.gauss(0, 2), 2)
        middle = int(laeq / LAF_CLASS_DB)
        samples_n = max(1, int(base["dur_s"] * 8))
        histogram = {middle + offset: samples_n // 8 for offset in range(-4, 4)}
        return NoiseRecord(
            **base,  # type: ignore[arg-type]
            laeq=laeq,
            lafmax=round(laeq + 15, 2),
            lafmin=round(laeq - 12, 2),
            la10=round(laeq + 3, 2),
            la50=round(laeq - 1, 2),
            la90=round(laeq - 6, 2),
            lceq=round(laeq + 8, 2),
            laf_hist=[(level, n) for level, n in histogram.items() if n],
        )

    def _footfall(self, day: float, base: dict[str, float]) -> FootfallRecord:
        per_s = 0.002 + 0.1 * day
        mean = per_s * base["dur_s"]
        return FootfallRecord(
            **base,  # type: ignore[arg-type]
            lines=[
                LineCount(line=line, a_to_b=self._count(mean), b_to_a=self._count(mean))
                for line in self.lines
            ],
            occupancy=None,
            fps=5.0,
            scene_luma=round(20 + 120 * day, 1),
            geometry_rev=1,
        )

    def _health(self, day: float, base: dict[str, float]) -> HealthRecord:
        return HealthRecord(
            **base,  # type: ignore[arg-type]
            uptime_s=float(base["t"] // 1000 % DAY_S),
            cpu_c=round(40 + 10 * day, 1),
            disk_free_bytes=8 * 2**30,
            clock_synced=True,
            sensors=[
                SensorState(sensor=stream.value, state="ok", since=int(base["t"]))
                for stream in MEASURED_STREAMS
            ],
        )

    def _event(self, _day: float, base: dict[str, float]) -> EventRecord:
        body: Body = CheckResult(check="simulated", ok=True)
        return EventRecord(
            **{**base, "dur_s": 0, "valid_s": 0},  # type: ignore[arg-type]
            body=body,  # type: ignore[arg-type]
        )

    def _count(self, mean: float) -> int:
        return max(0, round(self._rng.gauss(mean, math.sqrt(mean))))


def day_share(t_ms: int) -> float:
    """How much of the day's peak there is at a time: 0 from 18 to 6 h UTC, 1 at noon."""
    return max(0.0, -math.cos(2 * math.pi * (t_ms / 1000 % DAY_S) / DAY_S))


def fill(
    spool: Spool, source: RecordSource, stream: Stream, *, start_ms: int, count: int
) -> Iterator[int]:
    """Spool `count` records of `stream` from `start_ms` on, window after window.

    Yields the records committed so far after each commit, so that a caller can pace, report or
    be killed.
    """
    step_ms = DEFAULT_WINDOW_S.get(stream, 60) * 1000
    origin = noise_origin(spool) if stream is Stream.NOISE else None
    for first in range(0, count, CHUNK_N):
        n = min(CHUNK_N, count - first)
        for index in range(first, first + n):
            spool.append(stream, source.record(stream, start_ms + index * step_ms), origin=origin)
        spool.flush()
        yield first + n


def noise_origin(spool: Spool) -> Origin:
    """This run's origin, with the emulated microphone's sensitivity."""
    return Origin(spool.origin.boot, spool.origin.rev, SENS_DB)
