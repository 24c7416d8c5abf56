"""Light and presence around the clock change: one hour turns dark or bright overnight.

The same clock hour, so the same people's habits: what changes is the light. Used as a check with
known sign at every site twice a year, and as an outcome: does new lighting shrink the penalty?
"""

from typing import Literal

import msgspec
import numpy as np

from server.evaluation.count_table import Cells, log_rirr, ratio_estimate
from server.evaluation.errors import BadRequest
from server.evaluation.linear import Array, t_interval
from server.evaluation.results import Estimate, Result
from server.evaluation.verdict import significant

Brighter = Literal["before", "after"]


class ClockEvent(msgspec.Struct, frozen=True):
    """Case hour and control hours at one change, each dark ("before") and in daylight ("after")."""

    case: Cells
    control: Cells

    def log_odds_ratio(self, *, phi: float = 1.0) -> tuple[float, float]:
        """ln OR and standard error.

        OR = (case day/case dark) / (control day/control dark): Uttley & Fotios 2017 (J Environ
        Psychol 53:1); above 1 when daylight brings people out.
        """
        return log_rirr(self.case, self.control, phi=phi)


def clock_event(
    day: Array, hour: Array, counts: Array, *, case_hour: int, control_hours: list[int],
    brighter: Brighter, days: int = 13,
) -> ClockEvent:  # fmt: skip
    """Sum hourly counts around one change.

    Args:
        day: (n,) whole days from the change; the day of the change itself (0) is left out.
        hour: (n,) local clock hour.
        counts: (n,) NaN where the hour was not observed; observed hours are the exposure.
        case_hour: in daylight on one side and dark on the other; `control_hours` light alike.
        brighter: the side with daylight in the case hour ("after" in spring, by the evening hour).
    """
    near = (np.abs(day) <= days) & (day != 0) & np.isfinite(counts)

    def cells(hours: list[int]) -> Cells:
        mine = near & np.isin(hour, hours)
        light = mine & ((day > 0) == (brighter == "after"))
        dark = mine & ~light
        if not light.any() or not dark.any():
            raise BadRequest(f"no observed hours {hours} on one side of the clock change")
        return Cells(
            float(counts[dark].sum()), float(counts[light].sum()),
            float(dark.sum()), float(light.sum()),
        )  # fmt: skip

    return ClockEvent(cells([case_hour]), cells(control_hours))


def pooled(events: list[ClockEvent], *, level: float = 0.95) -> Estimate:
    """Mean ln OR over changes, its error from how much they differ (t with events - 1).

    The spread between changes holds weather and holidays, which a Poisson error of one change
    doesn't: on real counts 75 % of dates without a change were "significant" by the latter. One
    change alone gets no interval.
    """
    logs = np.array([event.log_odds_ratio()[0] for event in events])
    if len(logs) < 2 or np.ptp(logs) == 0:
        log_value, se = events[0].log_odds_ratio()
        row = ratio_estimate("daylight_odds_ratio", log_value, se, level=level)
        model = "one change alone" if len(logs) < 2 else "changes that don't differ at all"
        return msgspec.structs.replace(row, low=None, high=None, p=None, model=model)
    mean, se = float(logs.mean()), float(logs.std(ddof=1) / np.sqrt(len(logs)))
    low, high, p = t_interval(mean, se, len(logs) - 1, level)
    return Estimate(
        name="daylight_odds_ratio", value=float(np.exp(mean)), unit="ratio", se=se,
        low=float(np.exp(low)), high=float(np.exp(high)), level=level, p=p, df=len(logs) - 1,
        model=f"t over {len(logs)} changes",
    )  # fmt: skip


def clock_change_result(
    events: dict[str, ClockEvent], *, level: float = 0.95, alpha: float = 0.05
) -> Result:  # fmt: skip
    """The mean over changes, and each change with an interval that counts chance alone.

    One change alone has no headline interval: what else differed between its weeks (weather,
    holidays) is in it, and can't be told from one.
    """
    headline = pooled(list(events.values()), level=level)
    each = [
        ratio_estimate(
            "daylight_odds_ratio", *event.log_odds_ratio(), level=level,
            model=f"{name}, chance in the counts alone",
        )
        for name, event in events.items()
    ]  # fmt: skip
    found = significant(headline.p, alpha)
    said = "no estimate" if headline.value is None else f"{headline.value:.3g}"
    if headline.low is not None and headline.high is not None:
        said += f" ({headline.low:.3g} to {headline.high:.3g})"
    sentence = (
        f"Daylight in the hour {'brought more' if (headline.value or 1) > 1 else 'went with fewer'}"
        f" people: odds ratio {said}, p = {headline.p:.2g}."
        if found
        else f"Inconclusive: daylight's odds ratio {said}; this can be chance."
    )
    return Result(
        method="clock change, daylight odds ratio",
        n=len(events),
        estimates=[headline],
        sensitivity=each,
        p=headline.p,
        p_kind=headline.model,
        alpha=alpha,
        outcome="change" if found else "inconclusive",
        verdict=sentence,
        diagnostics={"changes": list(events)},
        warnings=(
            ["one change alone: an interval needs two, for weather and holidays are in each"]
            if len(events) == 1
            else []
        ),
    )
