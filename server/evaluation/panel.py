"""Sites x times: outcomes with holes where nothing was measured, and who was treated from when."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from server.evaluation.errors import BadRequest, BadTable
from server.evaluation.linear import Array
from server.evaluation.table import MISSING, Table, shown

Mask = NDArray[np.bool_]
TREATED_WORDS = {
    "1": 1.0, "1.0": 1.0, "true": 1.0, "yes": 1.0, "treated": 1.0,
    "0": 0.0, "0.0": 0.0, "false": 0.0, "no": 0.0, "control": 0.0,
}  # fmt: skip


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """`y` (sites, times), NaN where not measured; `exposure` alike, or None; `treated` (sites,)."""

    sites: list[str]
    times: Array
    y: Array
    treated: Array
    exposure: Array | None = None

    def before(self, start: float) -> Mask:
        """(times,) whether a time lies before the intervention."""
        return np.asarray(self.times < start)


def site_means(panel: Panel, mask: Mask, *, log: bool) -> Array:
    """(sites,) mean over the masked times; with exposure the rate sum(count)/sum(exposure).

    NaN for a site without a measurement there. `log` takes the logarithm, so that differences are
    ratios; a rate of 0 has none and raises `BadRequest`.
    """
    y = panel.y[:, mask]
    seen = np.isfinite(y)
    if panel.exposure is not None:
        seen &= np.isfinite(panel.exposure[:, mask])
        weight = np.where(seen, panel.exposure[:, mask], 0.0).sum(axis=1)
    else:
        weight = seen.sum(axis=1).astype(np.float64)
    total = np.where(seen, y, 0.0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(weight > 0, total / weight, np.nan)
    if not log:
        return np.asarray(means, dtype=np.float64)
    for site, mean in zip(panel.sites, means, strict=True):
        if mean <= 0:
            raise BadRequest(f"{site} has a mean of {mean:g}, which has no logarithm; use --scale"
                             " level, or leave the site out")  # fmt: skip
    return np.asarray(np.log(means), dtype=np.float64)


def against(panel: Panel, other: Panel, *, log: bool) -> Panel:
    """The panel's outcome relative to another one of the same sites and times: night to day.

    Rates are divided (`log`) or subtracted, so that a difference in differences of it is the third
    difference: the day is each site's own control for what isn't light (Gruber 1994, AER 84:622).
    A time at which either wasn't measured, or the divisor is 0, is NaN.
    """
    mine, theirs = (
        p.y if p.exposure is None else p.y / p.exposure for p in (panel, other)
    )  # fmt: skip
    if log:
        with np.errstate(divide="ignore", invalid="ignore"):
            y = np.where(theirs > 0, mine / theirs, np.nan)
    else:
        y = mine - theirs
    return msgspec.structs.replace(panel, y=np.asarray(y, dtype=np.float64), exposure=None)


def panel_from_table(
    table: Table,
    *,
    unit: str,
    time: str,
    outcome: str,
    treated: str,
    exposure: str | None = None,
    treated_units: list[str] | None = None,
) -> Panel:
    """A panel from long rows (unit, time, outcome). Each pair stands once; missing pairs are NaN.

    `treated` names a column of 1/0 or treated/control, a site's arm being 1 if any of its rows is;
    `treated_units` names the sites instead.
    """
    names, moments = table.labels(unit), table.times(time)[0]
    values = table.numbers_or_nan(outcome)
    sites, times = list(dict.fromkeys(names)), np.unique(moments)
    row_of = {name: i for i, name in enumerate(sites)}
    y = np.full((len(sites), len(times)), np.nan)
    weights = None if exposure is None else np.full(y.shape, np.nan)
    given = None if exposure is None else table.positive(exposure, missing_ok=True)
    filled: set[tuple[int, int]] = set()
    columns = np.searchsorted(times, moments)
    for k, (line, name) in enumerate(zip(table.lines, names, strict=True)):
        at = (row_of[name], int(columns[k]))
        if at in filled:
            raise BadTable(
                f"{table.path.name} line {line}: {unit} {name} at {table.columns[time][k]} is there"
                " twice; each pair must stand once"
            )
        filled.add(at)
        y[at] = values[k]
        if weights is not None and given is not None:
            weights[at] = given[k]
    arms = (
        _named_arms(sites, treated_units)
        if treated_units
        else _column_arms(table, names, sites, treated, moments)
    )
    return Panel(sites=sites, times=times, y=y, treated=arms, exposure=weights)


def _named_arms(sites: list[str], treated_units: list[str]) -> Array:
    for name in treated_units:
        if name not in sites:
            raise BadRequest(f"no unit {name!r}; there are {shown(sites)}")
    return np.array([float(site in treated_units) for site in sites])


def _column_arms(
    table: Table, names: list[str], sites: list[str], column: str, moments: Array
) -> Array:
    """1 for sites that are treated at any time; raises `BadRequest` when they begin apart.

    A column that is 1 only from the start on is fine as long as all begin together: with staggered
    starts, sites treated early would serve as controls for later ones (Goodman-Bacon 2021, J
    Econometrics 225:254).
    """
    arms = dict.fromkeys(sites, 0.0)
    begins: dict[str, float] = {}
    untreated_rows: set[str] = set()
    for k, (name, word) in enumerate(zip(names, table.labels(column), strict=True)):
        if word.lower() not in TREATED_WORDS:
            raise BadTable(
                f"{table.path.name} line {table.lines[k]}: column {column} is {word!r}, not 1 or 0"
                " (or treated, control)"
            )
        if TREATED_WORDS[word.lower()]:
            arms[name] = 1.0
            begins[name] = min(begins.get(name, np.inf), float(moments[k]))
        else:
            untreated_rows.add(name)
    starts = {begins[name] for name in begins if name in untreated_rows}
    if len(starts) > 1:
        raise BadRequest(
            f"column {column}: treated sites begin at {len(starts)} different times; evaluate each"
            " wave alone, with sites never treated as controls"
        )
    return np.array([arms[site] for site in sites])


def wide_panel(table: Table, *, time: str, treated_units: list[str]) -> Panel:
    """A panel from a row a time and a column a site; an empty cell was not measured."""
    if not treated_units:
        raise BadRequest("--wide has no column of arms: name the treated sites by --treated-unit")
    moments = table.times(time)[0]
    twice = np.flatnonzero(np.diff(np.sort(moments)) == 0)
    if len(twice):
        raise BadTable(f"{table.path.name}: column {time} has a time twice; a row a time is wanted")
    sites = [name for name in table.columns if name != time]
    order = np.argsort(moments)
    y = np.stack([table.numbers_or_nan(site)[order] for site in sites])
    return Panel(sites=sites, times=moments[order], y=y, treated=_named_arms(sites, treated_units))


def two_period_panel(
    table: Table, *, unit: str | None, before: str, after: str, treated: str
) -> Panel:  # fmt: skip
    """A panel of times 0 and 1 from a row a site, with a column for each."""
    names = [str(line) for line in table.lines] if unit is None else table.labels(unit)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadTable(f"{table.path.name}: {unit} {twice} is there twice; a row a site is wanted")
    y = np.column_stack([table.numbers_or_nan(column) for column in (before, after)])
    return Panel(
        sites=names,
        times=np.array([0.0, 1.0]),
        y=y,
        treated=_column_arms(table, names, names, treated, np.ones(len(names))),
    )


def site_covariates(
    table: Table, panel: Panel, unit: str | None, names: list[str]
) -> dict[str, Array]:
    """(sites,) columns that don't change within a site; numbers, or words as 0/1 dummies.

    A number that only names a kind (a chain's code) is written `column:category`.

    Raises:
        BadTable: a covariate that changes within a site.
    """
    sites = [str(line) for line in table.lines] if unit is None else table.labels(unit)
    found: dict[str, Array] = {}
    for given in names:
        name, _, kind = given.partition(":")
        first: dict[str, str] = {}
        for line, site, cell in zip(table.lines, sites, table.cells(name), strict=True):
            if first.setdefault(site, cell) != cell:
                raise BadTable(
                    f"{table.path.name} line {line}: column {name} changes within {site}; a"
                    " covariate of a site must stay"
                )
        cells = [first[site] for site in panel.sites]
        found |= _dummies(name, cells) if kind == "category" else _numbers_or_dummies(name, cells)
    return found


def _numbers_or_dummies(name: str, cells: list[str]) -> dict[str, Array]:
    try:
        return {
            name: np.array([np.nan if cell.lower() in MISSING else float(cell) for cell in cells])
        }
    except ValueError:
        return _dummies(name, cells)


def _dummies(name: str, cells: list[str]) -> dict[str, Array]:
    """1 where the cell is each word but the first."""
    words = sorted({cell for cell in cells if cell.lower() not in MISSING})
    return {
        f"{name}={word}": np.array(
            [np.nan if cell.lower() in MISSING else float(cell == word) for cell in cells]
        )
        for word in words[1:]
    }
