"""One sentence for those who decide, tied to the design: never more than the grade allows.

A result that could be chance is "inconclusive", with what it can't rule out; it is never "no
effect".
"""

from server.evaluation.results import Estimate, Grade, Outcome

_CLAIM = {
    1: "was seen together with",
    2: "is associated with",
    3: "is consistent with an effect of",
    4: "is consistent with an effect of",
    5: "was caused by",
}


def significant(p: float | None, alpha: float) -> bool:
    """Whether there is a p-value, and it is at most alpha."""
    return p is not None and p <= alpha


def verdict(
    headline: Estimate,
    *,
    p: float | None,
    alpha: float,
    grade: Grade,
    smallest_p: float | None = None,
    what: str = "the outcome",
) -> tuple[Outcome, str]:
    """`outcome` and the sentence, with interval and grade."""
    seen = f"{what}: {_said(headline)}"
    standing = f"Maryland grade {grade.level} of 5"
    if headline.value is None:
        return "inconclusive", f"Inconclusive: {seen}; {standing}."
    if smallest_p is not None and smallest_p > alpha:
        return (
            "inconclusive",
            f"Inconclusive: {seen}; with so few sites the least p that can come out is"
            f" {smallest_p:.3g}, so no data could settle it at {alpha:g}; {standing}.",
        )
    if not significant(p, alpha):
        return (
            "inconclusive",
            f"Inconclusive: {seen}; a change like this can be chance"
            f"{'' if p is None else f' (p = {p:.2g})'}, and the interval says what can't be ruled"
            f" out; {standing}.",
        )
    return (
        "change",
        f"A change of {what} {_CLAIM[grade.level]} the intervention: {_said(headline)},"
        f" p = {p:.2g}; {standing}.",
    )


def _said(headline: Estimate) -> str:
    """Value and interval in words: ratios as percent, others as they are."""
    value = headline.value
    if value is None:
        return "no estimate"
    if headline.unit == "ratio":
        said = f"{_percent(value)}"
        if headline.low is None and headline.high is None:
            return said
        return f"{said} ({_percent(headline.low)} to {_percent(headline.high)})"
    said = f"{value:+.4g}"
    if headline.low is None or headline.high is None:
        return said
    return f"{said} ({headline.low:+.4g} to {headline.high:+.4g})"


def _percent(ratio: float | None) -> str:
    return "unbounded" if ratio is None else f"{100 * (ratio - 1):+.1f} %"
