"""What a run hands over: everything that the report shows and a re-run is compared with."""

from datetime import datetime
from typing import Literal

import msgspec

from server.evaluation.plan.canonical import Intervention
from server.evaluation.plan.plan import Plan
from server.evaluation.results import Estimate, Outcome, Result

Passed = Literal["passed", "failed", "not possible"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the run did to itself; `values` is what a picture of it shows."""

    name: str
    outcome: Passed
    said: str
    estimate: Estimate | None = None
    values: list[float | None] = []
    labels: list[str] = []


class OutcomeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one question; `refusals` say why no cause may be claimed.

    `p_adjusted` is Holm's over the plan's outcomes; None where there is no p. `events` are weeks
    against the last one before.
    """

    name: str
    primary: bool
    result: Result
    sentence: str
    outcome: Outcome
    refusals: list[str] = []
    p_adjusted: float | None = None
    events: list[Estimate] = []


class SpecRow(msgspec.Struct, frozen=True, kw_only=True):
    """The primary question by another way; `declared` ones stand in the plan."""

    name: str
    declared: bool
    estimate: Estimate | None
    p: float | None
    why_not: str | None = None


class SiteSeries(msgspec.Struct, frozen=True, kw_only=True):
    """A site's weekly course of one outcome, None where too little was seen; and how much was."""

    site: str
    name: str
    arm: str
    outcome: str
    week: list[str]
    value: list[float | None]
    coverage: float
    latitude: float
    longitude: float


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """What computed: version, hash of the sources, and libraries that decide last digits."""

    version: str
    sha256: str
    python: str
    libraries: dict[str, str]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `verdict` is the sentence of the primary outcome."""

    intervention: Intervention
    plan: Plan
    plan_sha256: str
    exploratory: bool
    exploratory_why: list[str]
    deviations: list[str]
    verdict: str
    outcome: Outcome
    grade: int | None
    answers: list[OutcomeAnswer]
    manipulation: Check | None
    checks: list[Check]
    specifications: list[SpecRow]
    buffer: OutcomeAnswer | None
    findings: list[str]
    notes: list[str]
    series: list[SiteSeries]
    simulated: bool
    smallest_detectable: float | None
    snapshot_sha256: str
    snapshot_taken_at: datetime | None
    locked_at: datetime | None
    code: Code
