"""Survey answers from a CSV: a row an answer, or a row a group of equal answers with their number.

Answers are numbers or words; words need their order. An empty answer is no answer, and counted.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from server.evaluation.errors import BadRequest, BadTable
from server.evaluation.linear import Array
from server.evaluation.survey import SurveyRequest
from server.evaluation.table import MISSING, Table, shown

_ARMS = {"1": 1.0, "treated": 1.0, "0": 0.0, "control": 0.0}
_PERIODS = {"1": 1.0, "after": 1.0, "post": 1.0, "0": 0.0, "before": 0.0, "pre": 0.0}


class SurveyColumns(msgspec.Struct, frozen=True, kw_only=True):
    """Which column holds what; `order` lists worded answers from the lowest to the highest."""

    answer: str
    arm: str
    period: str
    weight: str | None = None
    count: str | None = None
    cluster: str | None = None
    order: list[str] = []


def survey_from_table(
    table: Table, columns: SurveyColumns, *, threshold: float | None, design_effect: float | None,
    level: float, alpha: float,
) -> SurveyRequest:  # fmt: skip
    """What is asked of the survey; without `threshold` the upper half of the scale is positive."""
    answer = _answers(table, columns)
    times = _repeats(table, columns.count)
    if not np.isfinite(answer).any():
        raise BadTable(f"{table.path.name}: column {columns.answer} has no answer at all")
    known = answer[np.isfinite(answer)]
    middle = (known.min() + known.max()) / 2
    if threshold is None:
        threshold = float(np.min(known[known > middle], initial=known.max()))
    weight = None if columns.weight is None else np.repeat(table.positive(columns.weight), times)
    clusters = None
    if columns.cluster is not None:
        names = table.labels(columns.cluster)
        clusters = np.repeat(np.unique(names, return_inverse=True)[1], times).astype(np.float64)
    return SurveyRequest(
        answer=np.repeat(answer, times),
        treated=np.repeat(_words(table, columns.arm, _ARMS), times),
        after=np.repeat(_words(table, columns.period, _PERIODS), times),
        threshold=threshold,
        weight=weight,
        cluster=clusters,
        design_effect=design_effect,
        level=level,
        alpha=alpha,
    )


def _answers(table: Table, columns: SurveyColumns) -> Array:
    if not columns.order:
        return table.numbers_or_nan(columns.answer)
    place = {word.lower(): float(i + 1) for i, word in enumerate(columns.order)}
    found = []
    for line, cell in zip(table.lines, table.cells(columns.answer), strict=True):
        word = cell.lower()
        if word not in place and word not in MISSING:
            raise BadTable(
                f"{table.path.name} line {line}: column {columns.answer} is {cell!r}, not one of"
                f" {shown(columns.order)}"
            )
        found.append(place.get(word, np.nan))
    return np.array(found)


def _repeats(table: Table, count: str | None) -> NDArray[np.int64]:
    if count is None:
        return np.ones(len(table), dtype=np.int64)
    return table.counts(count).astype(np.int64)


def _words(table: Table, column: str, known: dict[str, float]) -> Array:
    cells = table.labels(column)
    for line, cell in zip(table.lines, cells, strict=True):
        if cell.lower() not in known:
            raise BadTable(
                f"{table.path.name} line {line}: column {column} is {cell!r}, not one of"
                f" {shown(list(known))}"
            )
    return np.array([known[cell.lower()] for cell in cells])


def order_of(text: str | None) -> list[str]:
    """Words given as one option, lowest first."""
    if text is None:
        return []
    words = [word.strip() for word in text.split(",")]
    if len(set(words)) < max(2, len(words)) or not all(words):
        raise BadRequest(f"--order {text!r}: give at least two different words, lowest first")
    return words
