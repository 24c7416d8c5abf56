"""Did the arms run alike before? The difference of slopes, and what it would have missed."""

import msgspec
import numpy as np
from scipy import stats

from server.evaluation.linear import Array
from server.evaluation.panel import Mask, Panel
from server.evaluation.randomisation import assignments, mean_differences, p_value


class Pretrend(msgspec.Struct, frozen=True, kw_only=True):
    """Slopes per time step, treated less control.

    `detectable` is the slope found with 80 % power; `hidden_bias` what it would add to the effect
    between the middle of before and the middle of after. None with one site in an arm.
    """

    difference: float
    p: float
    detectable: float | None
    hidden_bias: float | None


def pretrend(panel: Panel, before: Mask, *, log: bool, alpha: float, seed: int) -> Pretrend | None:
    """Slope of each site before, compared between arms by randomisation; None with < 3 times.

    One slope a site keeps the test valid with few sites and many times, where a joint F test of
    event-study coefficients isn't. Power: Roth 2022 (AER: Insights 4:305), for a linear drift.
    """
    if before.sum() < 3:
        return None
    rate = panel.y if panel.exposure is None else panel.y / panel.exposure
    if log:
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(rate > 0, np.log(rate), np.nan)
    place = np.arange(len(panel.times), dtype=np.float64)
    slopes = np.array([_slope(place[before], row[before]) for row in rate])
    usable = np.isfinite(slopes)
    slopes, treated = slopes[usable], panel.treated[usable]
    inside, outside = slopes[treated == 1], slopes[treated == 0]
    if len(inside) == 0 or len(outside) == 0:
        return None
    sets = assignments(treated, seed=seed)
    statistics = mean_differences(slopes, sets)
    detectable = hidden = None
    if len(slopes) > 2:
        spread = float(
            np.sqrt((inside.var() * len(inside) + outside.var() * len(outside)) / (len(slopes) - 2))
        )
        se = spread * float(np.sqrt(1 / len(inside) + 1 / len(outside)))
        df = len(slopes) - 2
        detectable = float(stats.t.ppf(1 - alpha / 2, df) + stats.t.ppf(0.8, df)) * se
        hidden = detectable * float(place[~before].mean() - place[before].mean())
    return Pretrend(
        difference=float(statistics[0]),
        p=p_value(statistics, sets),
        detectable=detectable,
        hidden_bias=hidden,
    )


def _slope(place: Array, values: Array) -> float:
    seen = np.isfinite(values)
    if seen.sum() < 3:
        return float("nan")
    x = place[seen] - place[seen].mean()
    return float(x @ values[seen] / (x @ x))
