"""`plan.toml`: the question as it is asked. Sites, arms and dates of work live in the registry."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from server.evaluation.errors import BadRequest

OutcomeName = Literal[
    "footfall_dark", "footfall_day", "footfall_night_share", "lux_dark", "laeq_dark", "laeq_day",
    "incidents",
]  # fmt: skip
Method = Literal["did", "sc", "its"]
Share = Annotated[float, Meta(gt=0, lt=1)]

# What a change is measured in: rates and counts as ratios, sound as a difference in dB.
LEVEL_OUTCOMES = frozenset({"laeq_dark", "laeq_day"})
UNIT_OF = {
    "footfall_dark": "crossings per observed dark hour",
    "footfall_day": "crossings per observed daylight hour",
    "footfall_night_share": "crossings after dark per crossing by day",
    "lux_dark": "lx at the sensor after dark",
    "laeq_dark": "dB LAeq after dark",
    "laeq_day": "dB LAeq by day",
    "incidents": "incidents a week",
}
SAID = {
    "footfall_dark": "presence after dark",
    "footfall_day": "presence by day",
    "footfall_night_share": "presence after dark against the same week's day",
    "lux_dark": "light after dark",
    "laeq_dark": "sound after dark",
    "laeq_day": "sound by day",
    "incidents": "recorded incidents",
}


class Span(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Local dates; the first belongs to it, the last doesn't."""

    begin: date
    end: date

    def __post_init__(self) -> None:
        if self.end <= self.begin:
            raise ValueError(f"end {self.end} is not after begin {self.begin}")


class Exclusion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days left out everywhere (a fair, a storm), named before anybody looked."""

    begin: date
    end: date
    reason: str


class Variant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another way to answer the primary question, declared beforehand."""

    name: str
    outcome: OutcomeName | None = None
    before_weeks: Annotated[int, Meta(ge=2)] | None = None
    after_weeks: Annotated[int, Meta(ge=2)] | None = None
    without_sites: list[str] = []
    least_coverage: Share | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question about one registered intervention.

    `expected_effect` is a share of the outcome (0.2: 20 % more or less), in dB for sound.
    `randomised_seed` is the recorded seed with which arms were drawn, if they were.
    """

    intervention: str
    primary: OutcomeName
    before: Span
    after: Span
    expected_effect: Annotated[float, Meta(gt=0)]
    installation: Span | None = None
    secondary: list[OutcomeName] = []
    method: Method = "did"
    alpha: Annotated[float, Meta(gt=0, lt=0.5)] = 0.05
    lines: list[str] = []
    without_sites: list[str] = []
    without_nodes: list[str] = []
    exclude: list[Exclusion] = []
    least_coverage: Share = 0.5
    variant: list[Variant] = []
    randomised_seed: int | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        if self.after.begin < self.before.end:
            raise ValueError(f"after begins {self.after.begin}, before ends {self.before.end}")
        if self.installation and not (
            self.before.end <= self.installation.begin and self.installation.end <= self.after.begin
        ):
            raise ValueError("installation must lie between before and after")
        if self.primary in self.secondary:
            raise ValueError(f"{self.primary} is the primary outcome and a secondary one")

    @property
    def outcomes(self) -> list[OutcomeName]:
        """The primary one first."""
        return [self.primary, *self.secondary]


def read_plan(path: Path) -> Plan:
    """The plan in a TOML file; raises `BadRequest` naming the field at fault."""
    try:
        return parse_plan(path.read_text(encoding="utf-8"), path.name)
    except FileNotFoundError:
        raise BadRequest(f"no plan at {path}; see msl evaluate plan example") from None


def parse_plan(text: str, name: str = "plan.toml") -> Plan:
    """The same from text."""
    try:
        return msgspec.convert(tomllib.loads(text), Plan)
    except tomllib.TOMLDecodeError as error:
        raise BadRequest(f"{name}: {error}") from None
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at ")
        where = place.strip("`").removeprefix("$").removeprefix(".")
        raise BadRequest(f"{name}: {where + ': ' if where else ''}{reason}") from None


EXAMPLE = """\
# What will be asked, written before anybody looks. Sites, arms and dates of work are those of the
# registered intervention.
intervention = "led-2026"
primary = "footfall_dark"
secondary = ["laeq_dark"]
method = "did"
alpha = 0.05
expected_effect = 0.20        # at least 20 % more or less
seed = 20260101

[before]                      # local dates; the end is not part of it
begin = 2025-07-07
end = 2026-01-05

[installation]
begin = 2026-01-05
end = 2026-01-19

[after]
begin = 2026-01-19
end = 2026-07-06

[[variant]]
name = "twelve weeks on each side"
before_weeks = 12
after_weeks = 12

[[exclude]]
begin = 2025-12-24
end = 2025-12-27
reason = "Christmas market"
"""
