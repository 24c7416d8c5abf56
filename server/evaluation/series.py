"""One series (and its control) from a CSV, for interrupted time series."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from server.evaluation.errors import BadRequest, BadTable
from server.evaluation.linear import Array
from server.evaluation.moments import Kind
from server.evaluation.table import Table, shown

Rows = NDArray[np.int64]


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of one series, in order of time; NaN where nothing was measured."""

    time: Array
    kind: Kind
    y: Array
    exposure: Array | None = None
    control: Array | None = None
    control_exposure: Array | None = None
    covariates: dict[str, Array] = {}


def series_from_table(
    table: Table,
    *,
    time: str,
    outcome: str,
    exposure: str | None = None,
    covariates: list[str] | None = None,
    group: str | None = None,
    treated: str | None = None,
    control: str | None = None,
) -> Series:
    """A series; with `group`, the rows of `treated`, and those of `control` beside them by time.

    Raises:
        BadTable: a time that stands twice, a cell that can't be read.
        BadRequest: a group that isn't there; the two series share no times.
    """
    moments, kind = table.times(time)
    y = table.numbers_or_nan(outcome)
    weights = None if exposure is None else table.positive(exposure, missing_ok=True)
    extra = {name: table.numbers_or_nan(name) for name in covariates or []}
    rows = _rows(table, group, treated, moments, time)
    found = Series(
        time=moments[rows],
        kind=kind,
        y=y[rows],
        exposure=None if weights is None else weights[rows],
        covariates={name: values[rows] for name, values in extra.items()},
    )
    if control is None:
        return found
    if group is None:
        raise BadRequest("--control names a series of --group; give --group and --treated too")
    beside = _rows(table, group, control, moments, time)
    return _joined(found, moments[beside], y[beside], None if weights is None else weights[beside])


def _rows(table: Table, group: str | None, name: str | None, moments: Array, time: str) -> Rows:
    """Row numbers of one series in order of time."""
    rows = np.arange(len(table))
    if group is not None:
        if name is None:
            raise BadRequest("--group needs --treated (and --control) to name series")
        labels = table.labels(group)
        rows = np.flatnonzero([each == name for each in labels])
        if len(rows) == 0:
            raise BadRequest(
                f"no rows with {group} {name!r}; there are {shown(list(dict.fromkeys(labels)))}"
            )
    rows = rows[np.argsort(moments[rows], kind="stable")]
    twice = np.flatnonzero(np.diff(moments[rows]) == 0)
    if len(twice):
        row = int(rows[twice[0] + 1])
        raise BadTable(
            f"{table.path.name} line {table.lines[row]}: column {time} has"
            f" {table.columns[time][row]} twice; name one series with --group and --treated"
        )
    return rows


def _joined(treated: Series, times: Array, y: Array, weights: Array | None) -> Series:
    """The control's values at the treated series' times, NaN where it has none."""
    place = {float(time): i for i, time in enumerate(times)}
    at = [place.get(float(time)) for time in treated.time]
    if all(i is None for i in at):
        raise BadRequest("treated and control series share no times")

    def matched(values: Array) -> Array:
        return np.array([np.nan if i is None else values[i] for i in at])

    return msgspec.structs.replace(
        treated,
        control=matched(y),
        control_exposure=None if weights is None else matched(weights),
    )
