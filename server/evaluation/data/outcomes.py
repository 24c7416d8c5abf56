"""Weekly outcomes of each site: rates per observed hour, with holes where too little was seen."""

from datetime import date

import msgspec
import numpy as np

from server.evaluation.data.darkness import Mask, dark_and_light, local_parts, night_of
from server.evaluation.data.quality import Finding, dead_nights, steps
from server.evaluation.data.snapshot import SiteHours, Snapshot
from server.evaluation.linear import Array
from server.evaluation.panel import Panel, against
from server.evaluation.plan.canonical import Arms
from server.evaluation.plan.plan import OutcomeName, Plan, Span

_EPOCH = date(1970, 1, 1).toordinal()


def day_number(day: date) -> float:
    """Days since 1970-01-01."""
    return float(day.toordinal() - _EPOCH)


class SiteGrid(msgspec.Struct, kw_only=True, eq=False):
    """A site's hours with what the sun and the local calendar say: (hours,) each."""

    data: SiteHours
    dark: Mask
    light: Mask
    night: Array
    day: Array
    clock: Array


class Prepared(msgspec.Struct, kw_only=True, eq=False):
    """A snapshot ready to be cut into weeks; `findings` lists what was masked, or wants a look."""

    grids: list[SiteGrid]
    hour: Array
    findings: list[Finding] = []

    def grid(self, site: str) -> SiteGrid:
        """One site's."""
        return next(grid for grid in self.grids if grid.data.site == site)


def prepare(snapshot: Snapshot, plan: Plan) -> Prepared:
    """Sun, calendar, named exclusions, and what is found dead; no arm is looked at."""
    grids = []
    for site in snapshot.sites:
        dark, light = dark_and_light(snapshot.hour, site.latitude, site.longitude)
        day, clock = local_parts(snapshot.hour, site.tz)
        grids.append(
            SiteGrid(
                data=_without_named_days(site, day, plan), dark=dark, light=light,
                night=night_of(snapshot.hour, site.tz), day=day, clock=clock,
            )
        )  # fmt: skip
    prepared = Prepared(grids=grids, hour=snapshot.hour)
    return _without_dead_nights(prepared)


def _without_named_days(site: SiteHours, day: Array, plan: Plan) -> SiteHours:
    out = np.zeros(len(day), dtype=bool)
    for span in plan.exclude:
        out |= (day >= day_number(span.begin)) & (day < day_number(span.end))
    return _holed(site, out, ("crossings", "lux_s", "energy")) if out.any() else site


def _holed(site: SiteHours, out: Mask, names: tuple[str, ...]) -> SiteHours:
    return msgspec.structs.replace(
        site, **{name: np.where(out, np.nan, getattr(site, name)) for name in names}
    )


def _without_dead_nights(prepared: Prepared) -> Prepared:
    grids = prepared.grids
    if not grids:
        return prepared
    first = min(float(grid.night.min()) for grid in grids)
    n = int(max(float(grid.night.max()) for grid in grids) - first) + 1
    nights = first + np.arange(n, dtype=np.float64)
    sums = [_sums(grid, grid.dark, grid.night - first, len(nights)) for grid in grids]
    names = [grid.data.site for grid in grids]
    dead, found = dead_nights(
        names, nights, np.array([total for total, _ in sums]), np.array([seen for _, seen in sums])
    )
    holed = []
    for grid, mine in zip(grids, dead, strict=True):
        # The counter was dead by day as well: the whole of noon to noon goes.
        out = mine[(grid.night - first).astype(int)]
        data = _holed(grid.data, out, ("crossings",)) if out.any() else grid.data
        holed.append(msgspec.structs.replace(grid, data=data))
    return Prepared(grids=holed, hour=prepared.hour, findings=found)


def _sums(grid: SiteGrid, mask: Mask, place: Array, n: int) -> tuple[Array, Array]:
    """Crossings and observed hours in each of n places."""
    seen = mask & np.isfinite(grid.data.crossings) & (grid.data.crossings_s > 0)
    at = place[seen].astype(int)
    total = np.bincount(at, grid.data.crossings[seen], minlength=n)
    hours = np.bincount(at, grid.data.crossings_s[seen] / 3600, minlength=n)
    return np.where(hours > 0, total, np.nan), hours.astype(np.float64)


class Weeks(msgspec.Struct, frozen=True, kw_only=True):
    """First days of whole weeks (weeks,) and the first day after; as days since 1970."""

    first_day: Array
    start: float


def weeks_of(before: Span, after: Span) -> Weeks:
    """Whole weeks counted back from the end of before and on from the begin of after."""
    end, begin = day_number(before.end), day_number(before.begin)
    start, stop = day_number(after.begin), day_number(after.end)
    early = end - 7 * np.arange(int((end - begin) // 7), 0, -1)
    late = start + 7 * np.arange(int((stop - start) // 7))
    return Weeks(first_day=np.concatenate([early, late]), start=start)


def weekly_panel(
    prepared: Prepared, arms: Arms, outcome: OutcomeName, weeks: Weeks, *,
    least_coverage: float, sites: list[str],
) -> Panel:  # fmt: skip
    """Sites x weeks of one outcome; a week of which less than `least_coverage` was seen is NaN."""
    if outcome == "footfall_night_share":
        dark, light = (
            weekly_panel(
                prepared, arms, name, weeks, least_coverage=least_coverage, sites=sites
            )
            for name in ("footfall_dark", "footfall_day")
        )  # fmt: skip
        return against(dark, light, log=True)
    rows = [
        _weekly(prepared.grid(site), outcome, weeks.first_day, least_coverage) for site in sites
    ]
    y, exposure = (np.array([row[k] for row in rows]) for k in (0, 1))
    treated = np.array([float(site in arms.treated) for site in sites])
    sound = outcome.startswith("laeq")
    return Panel(
        sites=sites, times=weeks.first_day, treated=treated,
        y=_decibels(y, exposure) if sound else y, exposure=None if sound else exposure,
    )  # fmt: skip


def _decibels(energy_h: Array, hours: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(10 * np.log10(energy_h / hours))


_COLUMNS = {
    "footfall": ("crossings", "crossings_s", 1.0),
    # lx s and s x 10^(dB/10) become lx h and h x 10^(dB/10), so that the rates are lx and energy.
    "lux": ("lux_s", "lux_valid_s", 3600.0),
    "laeq": ("energy", "noise_s", 3600.0),
}


def _weekly(
    grid: SiteGrid, outcome: str, first_day: Array, least_coverage: float
) -> tuple[Array, Array]:
    total, seconds, per = _COLUMNS[outcome.split("_")[0]]
    values, valid_s = getattr(grid.data, total), getattr(grid.data, seconds)
    dark = outcome.endswith("_dark")
    mask, days = (grid.dark, grid.night) if dark else (grid.light, grid.day)
    week = np.searchsorted(first_day, days, side="right") - 1
    inside = (week >= 0) & mask
    inside[inside] &= days[inside] < first_day[week[inside]] + 7
    n = len(first_day)
    possible = np.bincount(week[inside], minlength=n).astype(np.float64)
    seen = inside & np.isfinite(values) & (valid_s > 0)
    sums = np.bincount(week[seen], values[seen] / per, minlength=n)
    hours = np.bincount(week[seen], valid_s[seen] / 3600, minlength=n)
    enough = (possible > 0) & (hours >= least_coverage * np.maximum(possible, 1))
    return np.where(enough, sums, np.nan), np.where(enough, hours, np.nan)


def without_odd_weeks(panel: Panel) -> tuple[Panel, list[Finding]]:
    """The panel without single odd weeks, and what was found; arms are not looked at."""
    rate = panel.y if panel.exposure is None else panel.y / panel.exposure
    odd, found = steps(panel.sites, panel.times, np.asarray(rate, dtype=np.float64))
    return msgspec.structs.replace(panel, y=np.where(odd, np.nan, panel.y)), found


def coverage(panel: Panel) -> Array:
    """(sites,) share of weeks that have a value."""
    return np.asarray(np.isfinite(panel.y).mean(axis=1))
