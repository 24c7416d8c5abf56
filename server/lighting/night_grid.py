"""Minutes laid out by nights: one row from solar noon to solar noon, so that no night is cut."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.lighting.sun import NIGHT_DEG, clear_sky_lx, elevation_deg

MINUTES = 1440
MIDNIGHT = MINUTES // 2
_MOST_APART_MIN = 6

Lux = NDArray[np.float32]
"""(nights, 1440) lx; NaN where nothing was measured, which is never the same as dark."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """When nights are, without their sun: what a service keeps of a grid."""

    start_s: int
    """UTC second of the first night's solar noon."""

    def time_s(self, night: int, minute: float) -> int:
        """UTC seconds of a minute of a night."""
        return self.start_s + 60 * int(night * MINUTES + minute)


@dataclass(frozen=True, kw_only=True)
class NightGrid:
    """The nights of one place; all arrays are (nights, 1440), columns from solar noon."""

    start_s: int
    """UTC second of the first row's first minute."""
    sun_deg: NDArray[np.float32]
    clear_lx: NDArray[np.float32]
    """Of a clear sky."""
    is_night: Mask
    """The sun is under -6 deg."""

    @property
    def nights(self) -> int:
        return int(self.sun_deg.shape[0])

    def rows(self, first: int, last: int) -> "NightGrid":
        """The nights [first, last)."""
        own = slice(first, last)
        return NightGrid(
            start_s=self.start_s + first * 60 * MINUTES, sun_deg=self.sun_deg[own],
            clear_lx=self.clear_lx[own], is_night=self.is_night[own],
        )  # fmt: skip

    def number(self, night: int) -> int:
        """A night's number that is the same on every grid of this place."""
        return self.start_s // 86_400 + night

    @property
    def calendar(self) -> Calendar:
        return Calendar(start_s=self.start_s)

    def column(self, night: int, elevation: float, *, evening: bool) -> int | None:
        """Minute at which the sun sinks below (evening) or rises above an elevation; None: never.

        In the evening half the sun only sinks, in the morning half it only rises, but for the few
        minutes by which true and mean noon differ; the first, or last, crossing is taken.
        """
        half = self.sun_deg[night, :MIDNIGHT] if evening else self.sun_deg[night, MIDNIGHT:]
        below = np.flatnonzero(half < elevation)
        if below.size == 0:
            return None
        return int(below[0]) if evening else MIDNIGHT + int(below[-1]) + 1


def night_grid(first_s: float, last_s: float, lat_deg: float, lon_deg: float) -> NightGrid:
    """The grid that covers two UTC seconds at a place."""
    noon_s = 60 * round(MIDNIGHT - 4 * lon_deg)
    start_s = int((first_s - noon_s) // 86_400) * 86_400 + noon_s
    nights = int((last_s - start_s) // 86_400) + 1
    t_s = start_s + 60 * np.arange(nights * MINUTES, dtype=np.int64)
    # Every second minute is exact enough (0.3 deg a minute at most) and halves the work.
    sun = elevation_deg(t_s[::2], lat_deg, lon_deg)
    sun_deg = np.interp(t_s, t_s[::2], sun).reshape(nights, MINUTES)
    return NightGrid(
        start_s=start_s,
        sun_deg=sun_deg.astype(np.float32),
        clear_lx=clear_sky_lx(sun_deg).astype(np.float32),
        is_night=sun_deg < NIGHT_DEG,
    )


def laid_out(grid: NightGrid, t_s: NDArray[np.int64], lux: NDArray[np.float32]) -> Lux:
    """One node's samples on the grid; several in a minute: the last one that is a number."""
    out = np.full(grid.nights * MINUTES, np.nan, dtype=np.float32)
    at = (t_s - grid.start_s) // 60
    keep = (at >= 0) & (at < out.size) & np.isfinite(lux) & (lux >= 0)
    out[at[keep]] = lux[keep]
    return out.reshape(grid.nights, MINUTES)


def bridged(lux: Lux) -> Lux:
    """Samples every two to six minutes drawn through as the sky goes, log-linearly.

    What comes each minute is left as it is: there a missing minute is a gap.
    """
    flat = lux.ravel()
    known = np.flatnonzero(np.isfinite(flat))
    apart = np.diff(known)
    if known.size < 2 or not 2 <= np.median(apart) <= _MOST_APART_MIN:
        return lux
    every = np.arange(flat.size)
    log = np.interp(every, known, np.log(np.maximum(flat[known], 0.01)))
    before = known[np.clip(np.searchsorted(known, every, side="right") - 1, 0, None)]
    after = known[np.clip(np.searchsorted(known, every), None, known.size - 1)]
    near = (after - before <= _MOST_APART_MIN) & (before <= every) & (every <= after)
    out = np.where(near, np.exp(log), np.nan).astype(np.float32)
    out[known] = flat[known]
    return np.asarray(out.reshape(lux.shape))


def median_of_three(lux: Lux) -> Lux:
    """Each minute's median with its neighbours: takes out a single car, keeps every edge."""
    flat = lux.ravel()
    before = np.concatenate([flat[:1], flat[:-1]])
    after = np.concatenate([flat[1:], flat[-1:]])
    middle = np.fmax(np.fmin(before, after), np.fmin(np.fmax(before, after), flat))
    middle[np.isnan(flat)] = np.nan
    return np.asarray(middle.reshape(lux.shape))
