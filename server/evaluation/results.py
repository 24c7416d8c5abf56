"""What every method hands back: estimates with intervals, a p-value and where it comes from.

A number that can't be given is None, never 0 and never NaN; a method that refuses says why.
"""

import math
from typing import Literal

import msgspec

Json = float | int | str | bool | None | list["Json"] | dict[str, "Json"]


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """One number with its interval; `model` names the row when several models give the same one."""

    name: str
    value: float | None
    unit: str
    se: float | None = None
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    p: float | None = None
    df: float | None = None
    model: str = ""


class Grade(msgspec.Struct, frozen=True, kw_only=True):
    """Place on the Maryland scale, 1 to 5, with the reasons that put it there."""

    level: int
    reasons: list[str]


Outcome = Literal["change", "inconclusive", "refused"]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, or a refusal.

    `estimates[0]` is the headline. `p` is the headline's p-value, `p_kind` says how it was made and
    `smallest_p` is the least that this design can reach, whatever the data.
    """

    method: str
    n: int
    estimates: list[Estimate]
    sensitivity: list[Estimate] = []
    p: float | None = None
    p_kind: str = ""
    smallest_p: float | None = None
    alpha: float = 0.05
    grade: Grade | None = None
    outcome: Outcome = "inconclusive"
    verdict: str = ""
    diagnostics: dict[str, Json] = {}
    warnings: list[str] = []
    refusal: str | None = None
    seed: int | None = None


def number(value: float) -> float | None:
    """The value, or None where there is none (NaN, infinite)."""
    return float(value) if math.isfinite(value) else None


def refused(method: str, n: int, why: str, *, warnings: list[str] | None = None) -> Result:
    """A result that gives no number, and says why."""
    return Result(
        method=method,
        n=n,
        estimates=[],
        outcome="refused",
        verdict=f"No answer: {why}.",
        refusal=why,
        warnings=warnings or [],
    )


def estimate(
    name: str,
    value: float,
    unit: str,
    *,
    se: float | None = None,
    low: float | None = None,
    high: float | None = None,
    level: float = 0.95,
    p: float | None = None,
    df: float | None = None,
    model: str = "",
) -> Estimate:
    """An `Estimate` whose non-finite numbers have become None."""

    def finite(x: float | None) -> float | None:
        return None if x is None else number(x)

    return Estimate(
        name=name,
        value=number(value),
        unit=unit,
        se=finite(se),
        low=finite(low),
        high=finite(high),
        level=level,
        p=finite(p),
        df=finite(df),
        model=model,
    )
