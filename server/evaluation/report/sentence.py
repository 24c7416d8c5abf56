"""One sentence for a mayor: what changed, how sure that is, and what it may be put down to."""

from server.evaluation.plan.plan import LEVEL_OUTCOMES, SAID
from server.evaluation.results import Estimate, Grade, Result

_TIED = {
    1: "was seen together with the intervention, which is no evidence that it caused it",
    2: "is associated with the intervention; what else happened then can't be told from it",
    3: "is consistent with an effect of the intervention",
    4: "is consistent with an effect of the intervention",
    5: "was caused by the intervention, as far as a drawn comparison can show it",
}


def sentence(
    outcome: str, result: Result, refusals: list[str], *, treated: int, control: int,
    detectable: float | None,
) -> str:  # fmt: skip
    """The verdict on one outcome. "Inconclusive" is never "no effect"."""
    what = SAID[outcome]
    if result.refusal is not None:
        return f"No answer on {what}: {result.refusal}."
    row = result.estimates[0] if result.estimates else None
    if refusals:
        seen = f" The instruments show {amount(outcome, row)}." if row is not None else ""
        return f"No cause can be claimed for {what}: {'; '.join(refusals)}.{seen}"
    grade = result.grade or Grade(level=1, reasons=["no design"])
    places = f"{treated} treated site{'' if treated == 1 else 's'}" + (
        f" against {control} untouched" if control else ", with nothing to compare"
    )
    if result.outcome == "change" and row is not None:
        return (
            f"{what[0].upper()}{what[1:]} {_moved(outcome, row)} at {places}"
            f" ({interval(outcome, row)}); this {_TIED[grade.level]}"
            f" (evidence grade {grade.level} of 5)."
        )
    return (
        f"Inconclusive: at {places}, {what} changed by {amount(outcome, row)}, which can be chance;"
        f" {_open(outcome, row, detectable)} (evidence grade {grade.level} of 5)."
    )


def amount(outcome: str, row: Estimate | None) -> str:
    """The estimate with its interval."""
    if row is None or row.value is None:
        return "an amount that can't be given"
    said = size(outcome, row.value)
    if row.low is None and row.high is None:
        return said
    return f"{said} ({interval(outcome, row)})"


def interval(outcome: str, row: Estimate) -> str:
    """Its interval in words."""
    if row.low is None and row.high is None:
        return "no interval can be given with so few sites"
    low, high = (
        "unbounded" if edge is None else size(outcome, edge) for edge in (row.low, row.high)
    )
    return f"{row.level:.0%} interval {low} to {high}"


def size(outcome: str, value: float) -> str:
    """A ratio as percent more or less, a level with its unit."""
    if outcome in LEVEL_OUTCOMES:
        return f"{value:+.1f} dB"
    if outcome == "lux_dark":
        return f"{value:+.2g} lx"
    return f"{100 * (value - 1):+.0f} %"


def _moved(outcome: str, row: Estimate) -> str:
    value = row.value or 0.0
    zero = 0.0 if outcome in LEVEL_OUTCOMES or outcome == "lux_dark" else 1.0
    word = "rose" if value > zero else "fell"
    return f"{word} by {size(outcome, value).lstrip('+-')}"


def _open(outcome: str, row: Estimate | None, detectable: float | None) -> str:
    if row is None or row.low is None or row.high is None:
        return "with so few sites no data could have settled it"
    tail = (
        f", and a change under {100 * detectable:.0f} % would usually have been missed"
        if detectable is not None and outcome not in LEVEL_OUTCOMES else ""
    )  # fmt: skip
    low, high = size(outcome, row.low), size(outcome, row.high)
    return f"anything from {low} to {high} remains possible{tail}"
