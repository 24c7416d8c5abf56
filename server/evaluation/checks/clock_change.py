"""Positive control: when the clocks change, an evening hour turns dark or bright overnight.

The sign is known at every site, and nobody had to do anything for it.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from server.evaluation.clock_change import Brighter, ClockEvent, clock_event, pooled
from server.evaluation.data.outcomes import Prepared, SiteGrid, day_number
from server.evaluation.errors import BadRequest
from server.evaluation.evaluation import Check
from server.lighting.sun import elevation_deg

_DAYS = 13
_EVENING = range(15, 22)
# Sun below: dark enough to matter; above: daylight. Between the two an hour counts for neither.
_DARK_DEG, _LIGHT_DEG = -2.0, 0.0


def clock_changes(tz: str, first: float, last: float) -> list[tuple[float, bool]]:
    """Local days (since 1970) on which the clock changes, and whether evenings get brighter."""
    zone, found = ZoneInfo(tz), []
    noon = datetime.fromtimestamp(first, UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    was = noon.astimezone(zone).utcoffset()
    while noon.timestamp() < last:
        noon += timedelta(days=1)
        now = noon.astimezone(zone).utcoffset()
        if now != was and now is not None and was is not None:
            found.append((day_number(noon.astimezone(zone).date()), now > was))
        was = now
    return found


def positive_control(prepared: Prepared, sites: list[str]) -> Check:
    """Daylight odds ratio over all sites and clock changes; above 1 is what is known to be so."""
    name = "clock change moves people as it must"
    events = []
    for site in sites:
        grid = prepared.grid(site)
        for day, brighter in clock_changes(grid.data.tz, prepared.hour[0], prepared.hour[-1]):
            event = _event(grid, prepared.hour, day, "after" if brighter else "before")
            if event is not None:
                events.append((day, event))
    if not events:
        return Check(
            name=name, outcome="not possible",
            said="no clock change with 13 observed days on each side lies in the window",
        )  # fmt: skip
    # Sites share the weather of a change: one number a change, and their spread.
    days = sorted({day for day, _ in events})
    together = [_sum([event for at, event in events if at == day]) for day in days]
    row = pooled(together)
    value = row.value or float("nan")
    wrong = row.high is not None and row.high < 1
    right = row.low is not None and row.low > 1
    said = "" if row.low is None or row.high is None else f" ({row.low:.3f} to {row.high:.3f})"
    verdict = (
        "as it must be" if right else "against what is known: look at the counters" if wrong
        else "not told apart from 1 with so few changes"
    )  # fmt: skip
    return Check(
        name=name, outcome="passed" if right else "failed" if wrong else "not possible",
        estimate=row,
        said=f"an evening hour in daylight against the same hour in the dark, {len(days)} changes:"
        f" odds ratio {value:.3f}{said}, {verdict}",
        values=[float(np.exp(event.log_odds_ratio()[0])) for event in together],
    )  # fmt: skip


def _event(grid: SiteGrid, hour: np.ndarray, day: float, brighter: Brighter) -> ClockEvent | None:
    near = np.abs(grid.day - day) <= _DAYS
    if not near.any():
        return None
    sun = elevation_deg(hour[near] + 1800, grid.data.latitude, grid.data.longitude)
    offset, clock = grid.day[near] - day, grid.clock[near]
    case = _case_hour(sun, offset, clock, brighter)
    if case is None:
        return None
    counts = np.where(grid.data.crossings_s[near] >= 3000, grid.data.crossings[near], np.nan)
    try:
        return clock_event(
            offset, clock, counts, case_hour=case, days=_DAYS, brighter=brighter,
            control_hours=[case - 5, case - 4, case + 3, case + 4 if case < 20 else case + 3],
        )  # fmt: skip
    except BadRequest:
        return None


def _case_hour(
    sun: np.ndarray, offset: np.ndarray, clock: np.ndarray, brighter: Brighter
) -> int | None:
    for hour in _EVENING:
        mine = (clock == hour) & (offset != 0)
        sides = [sun[mine & (offset < 0)], sun[mine & (offset > 0)]]
        if not all(len(side) for side in sides):
            continue
        light, dark = (sides[1], sides[0]) if brighter == "after" else (sides[0], sides[1])
        if np.median(light) > _LIGHT_DEG and np.median(dark) < _DARK_DEG:
            return int(hour)
    return None


def _sum(events: list[ClockEvent]) -> ClockEvent:
    def add(which: str) -> object:
        cells = [getattr(event, which) for event in events]
        kind = type(cells[0])
        return kind(*(sum(getattr(c, n) for c in cells) for n in cells[0].__struct_fields__))

    return ClockEvent(add("case"), add("control"))  # type: ignore[arg-type]
