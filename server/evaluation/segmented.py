"""The design of an interrupted time series: level, trend, season, and what changes when."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from server.evaluation.errors import BadRequest
from server.evaluation.linear import Array

LEAST_POINTS = 12
# Level and seasonal terms lean on each other below this.
WANTED_POINTS = 24


class Season(msgspec.Struct, frozen=True):
    """Season of `period` steps: `harmonics` pairs of sine and cosine, or a mean for each step."""

    period: int
    harmonics: int = 2


class Segments(msgspec.Struct, frozen=True, kw_only=True):
    """Design matrix (n, k) with names, the times that stand behind it, and how to extend it."""

    x: Array
    names: list[str]
    time: Array
    steps: NDArray[np.int64]
    start: float
    origin: float
    step: float

    def column(self, name: str) -> int:
        """Index of a term."""
        return self.names.index(name)

    def effect_row(self, at: Array) -> Array:
        """(m, k) rows that give the intervention's effect at times `at`: level and slope alone."""
        rows = np.zeros((len(at), len(self.names)))
        rows[:, self.column("level_change")] = 1.0
        if "slope_change" in self.names:
            rows[:, self.column("slope_change")] = (at - self.origin) / self.step
        return rows

    def after(self) -> NDArray[np.bool_]:
        """(n,) whether a point lies after the intervention began."""
        return np.asarray(self.time >= self.start)


def segments(
    time: Array,
    *,
    start: float,
    slope: bool,
    season: Season | None = None,
    covariates: dict[str, Array] | None = None,
    origin_before: bool = False,
) -> Segments:
    """Intercept, trend, level change, slope change, season, covariates.

    Wagner, Soumerai, Zhang & Ross-Degnan 2002 (J Clin Pharm Ther 27:299): y = b0 + b1 t + b2 post +
    b3 (t - T0) post; harmonics as Lopez Bernal, Cummins & Gasparrini 2017 (Int J Epidemiol 46:348).
    T0, where the level change is read off, is the first point after (`origin_before`: the last one
    before). Trends are per step, the most common distance between points.

    Args:
        time: (n,) increasing, none twice; gaps allowed.
        start: first time at which the intervention is in place.
    Raises:
        BadRequest: times not increasing or not on one raster.
    """
    step, steps = _raster(time)
    post = time >= start
    if not post.any() or post.all():
        side = "before" if post.all() else "after"
        raise BadRequest(
            f"the intervention at {start:g} leaves no points {side} it;"
            f" times run from {time[0]:g} to {time[-1]:g}"
        )
    first_post = float(time[post][0])
    origin = first_post - step if origin_before else first_post
    columns = {
        "intercept": np.ones(len(time)),
        "trend": (time - time[0]) / step,
        "level_change": post.astype(np.float64),
    }
    if slope:
        columns["slope_change"] = post * (time - origin) / step
    if season is not None:
        columns |= _season(time, step, season)
    columns |= covariates or {}
    return Segments(
        x=np.column_stack(list(columns.values())),
        names=list(columns),
        time=time,
        steps=steps,
        start=start,
        origin=origin,
        step=step,
    )


def _raster(time: Array) -> tuple[float, NDArray[np.int64]]:
    gaps = np.diff(time)
    if len(gaps) == 0 or np.any(gaps <= 0):
        raise BadRequest(
            "times must increase and stand once each (give --group for several series)"
        )
    step = float(np.median(gaps))
    return step, np.maximum(1, np.rint(gaps / step)).astype(np.int64)


def _season(time: Array, step: float, season: Season) -> dict[str, Array]:
    place = np.rint(time / step)
    if season.harmonics == 0:
        phase = np.mod(place, season.period)
        return {
            f"season_{j}": (phase == j).astype(np.float64) for j in range(1, season.period)
        }  # fmt: skip
    angle = 2 * np.pi * place / season.period
    found: dict[str, Array] = {}
    for k in range(1, season.harmonics + 1):
        found[f"sin_{k}"] = np.sin(k * angle)
        if 2 * k < season.period:
            found[f"cos_{k}"] = np.cos(k * angle)
        else:  # at the highest harmonic of an even period the sine is 0 everywhere
            found[f"sin_{k}"] = np.cos(k * angle)
    return found


def too_short(segmented: Segments, season: Season | None) -> str | None:
    """Why such a series can't answer, or None."""
    post = segmented.after()
    before, after = int((~post).sum()), int(post.sum())
    if min(before, after) < LEAST_POINTS:
        return (
            f"{before} points before and {after} after; at least {LEAST_POINTS} on each side are"
            " needed to tell a change from drift"
        )
    if season is not None and before < season.period:
        return f"{before} points before are less than one season of {season.period}"
    return None
