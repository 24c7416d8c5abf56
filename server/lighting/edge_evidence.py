"""How much the light speaks for a switching at each minute of dusk or dawn, as log likelihood.

The lamp's own light is known, so the question at each minute is whether the step there is like it
or like the sky's unrest on that evening. Minute by minute this may be little; over nights it adds
up, which a yes or no a night can't.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.lighting.edges import Lights
from server.lighting.night_grid import MIDNIGHT

_MOST_LOG = 8.0
_AMPLITUDE = 0.25
"""A lamp's own light is known to about a quarter (wet dome, cold start, dimming)."""
_MOST_OF_OWN = 3.0
_LEAST_SIGMA = 0.08
_SLOW_SIGMA = 0.28
"""Of the sky: how far its fall over nine minutes is from a straight one."""
_QUIET_SKY, _UNKNOWN_SKY = 0.012, 0.06
_REST_MIN, _REST_GAP_MIN = 32, 6
_HIGHEST_SUN_DEG = 6.0
_LEAST_MEASURED = 0.85
_RUN_UP_MIN = 9
_WATCHED_MIN = 110

Minutes = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Log likelihood of a switching against none, by minute of one dusk or dawn."""

    first: int
    """Minute of the night of the first value."""
    log: Minutes
    """-inf where it wasn't measured."""
    clearness: float
    """The lamp's own light over the sky's unrest at the usual minute."""

    def best(self, begin: int, end: int) -> tuple[float, int]:
        """Largest value in minutes [begin, end) and where."""
        a, b = max(begin - self.first, 0), min(end - self.first, self.log.size)
        if b <= a:
            return -math.inf, begin
        at = int(np.argmax(self.log[a:b]))
        return float(self.log[a + at]), self.first + a + at

    def somewhere(self, minutes: NDArray[np.int64]) -> float | None:
        """Log likelihood that it switched in one of these minutes, all alike before; None: gaps."""
        at = minutes - self.first
        at = at[(at >= 0) & (at < self.log.size)]
        known = self.log[at][np.isfinite(self.log[at])]
        if known.size == 0:
            return None
        found = float(np.log(np.exp(known).mean()))
        return found if found > 0 or known.size >= _LEAST_MEASURED * minutes.size else None


def evidence(
    lights: Lights, night: int, around: int, *, evening: bool, slow: bool
) -> Evidence | None:
    """What speaks for a switching on or off; None if the lamp's own light isn't known.

    Args:
        around: Minute at which it is usually due: the sky's unrest is taken from its day side.
        slow: A discharge lamp, that comes up over minutes.
    """
    own_lx = float(lights.own_lx[night, 0 if evening else 1])
    low = np.flatnonzero(lights.grid.sun_deg[night] < _HIGHEST_SUN_DEG)
    low = low[(low < MIDNIGHT) if evening else (low >= MIDNIGHT)]
    low = low[np.abs(low - around) <= _WATCHED_MIN]
    if not own_lx > 0 or low.size == 0:
        return None
    span = slice(int(low[0]), int(low[-1]) + 1)
    lux = lights.smooth[night, span].astype(np.float64)
    before = np.concatenate([lux[:1], lux[:-1]])
    sky = np.maximum(before if evening else before - own_lx, 0.02)
    if slow and evening:
        steps = lights.slow[night, span].astype(np.float64)
        sigma = np.hypot(_sigma(steps, lux, sky, own_lx, around - span.start), _SLOW_SIGMA * sky)
        log = _log_ratio(steps, own_lx, sigma)
        # A sky that falls beside a lamp that burns all along looks like a rise to a trend.
        burned = _past_a_lit_lamp(lights, night, span, own_lx)
        log = np.minimum(log, _log_ratio(steps, own_lx, sigma, none=burned))
    else:
        steps = np.array([each[night, span] for each in lights.sudden], dtype=np.float64)
        sigma = _sigma(steps, lux, sky, own_lx, around - span.start, evening=evening)
        log = np.fmax(*_log_ratio(steps if evening else -steps, own_lx, sigma))
    at = min(max(around - span.start, 0), lux.size - 1)
    beside = np.broadcast_to(sigma, (2, lux.size))[:, max(at - 2, 0) : at + 3]
    noise = float(np.nanmedian(beside)) if np.isfinite(beside).any() else float("inf")
    return Evidence(
        first=span.start,
        log=np.where(np.isnan(log), -np.inf, log),
        clearness=own_lx / noise,
    )


def _log_ratio(
    steps: Minutes, own_lx: float, sigma: Minutes, *, none: Minutes | None = None
) -> Minutes:
    # A lamp that is dimmed at other hours of its habit adds more than its least: still a lamp.
    steps = np.where(steps < _MOST_OF_OWN * own_lx, np.minimum(steps, own_lx), steps)
    there, absent = sigma**2 + (_AMPLITUDE * own_lx) ** 2, sigma**2
    against = steps if none is None else none
    log = (
        -0.5 * ((steps - own_lx) ** 2 / there + np.log(there))
        + 0.5 * (against**2 / absent + np.log(absent))
    )  # fmt: skip
    return np.clip(log, -_MOST_LOG, _MOST_LOG)


def _sigma(
    steps: Minutes, lux: Minutes, sky: Minutes, own_lx: float, around: int, *, evening: bool = True
) -> Minutes:
    """Size of the steps that are none: by the sky's unrest on the day side of the switching.

    `steps` may have rows; one unrest is found for each.
    """
    begin = around - _REST_MIN if evening else around + _REST_GAP_MIN
    span = slice(max(begin, 0), max(begin + _REST_MIN - _REST_GAP_MIN, 0))
    share = np.sort(np.abs(steps[..., span]) / np.maximum(lux[span], 0.02), axis=-1)
    known = int(np.isfinite(share).sum(axis=-1).min())
    unrest: float | Minutes = _UNKNOWN_SKY
    if known >= 8:
        share = share[..., :known]
        mean = np.minimum(share, 0.5).sum(axis=-1, keepdims=True) / known
        found = 0.74 * share[..., known // 2, None] + 0.62 * mean
        unrest = np.maximum(found, _QUIET_SKY)
    return np.hypot(unrest * sky, _LEAST_SIGMA * own_lx)


def _past_a_lit_lamp(lights: Lights, night: int, span: slice, own_lx: float) -> Minutes:
    """Slow steps left if the lamp burned all along: its light taken out of the trend."""
    flat = lights.smooth[night].astype(np.float64)
    sky = np.maximum(flat - own_lx, 0.02)
    out = np.full(flat.size, np.nan)
    first, last = _RUN_UP_MIN, flat.size - _RUN_UP_MIN + 1
    before, earlier = sky[first - 1 : last - 1], sky[: last - first]
    growth = np.clip(np.log(before / earlier) / (_RUN_UP_MIN - 1), -0.25, 0.25)
    ahead = flat[first + _RUN_UP_MIN - 1 : last + _RUN_UP_MIN - 1]
    out[first:last] = ahead - own_lx - before * np.exp(growth * _RUN_UP_MIN)
    return np.asarray(out[span])
