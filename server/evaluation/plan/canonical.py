"""One text for one meaning, and its hash: the same plan is the same, however it was typed."""

import hashlib
from datetime import datetime

import msgspec

from server.evaluation.plan.plan import Plan


class Arms(msgspec.Struct, frozen=True, kw_only=True):
    """Who was treated, as the registry said at that moment; site ids in order."""

    treated: list[str]
    control: list[str]
    buffer: list[str] = []

    def of(self, site: str) -> str:
        """The arm of a site."""
        return next(arm for arm in ("treated", "control", "buffer") if site in getattr(self, arm))

    @property
    def sites(self) -> list[str]:
        """All of them, treated first."""
        return [*self.treated, *self.control, *self.buffer]


class Intervention(msgspec.Struct, frozen=True, kw_only=True):
    """The registered intervention as it stood."""

    intervention_id: str
    lab_id: str
    title: str
    kind: str
    arms: Arms
    from_t: datetime | None = None
    to_t: datetime | None = None


class LockedPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What was promised: plan and intervention, hashed; and when."""

    plan: Plan
    intervention: Intervention
    sha256: str
    locked_at: datetime


def canonical(plan: Plan, intervention: Intervention) -> bytes:
    """JSON with sorted keys and every default written out; no time of writing in it."""
    return msgspec.json.encode({"intervention": intervention, "plan": plan}, order="sorted")


def plan_hash(plan: Plan, intervention: Intervention) -> str:
    """SHA-256 of the canonical text, in hex."""
    return hashlib.sha256(canonical(plan, intervention)).hexdigest()


def deviations(plan: Plan, intervention: Intervention, locked: LockedPlan) -> list[str]:
    """What differs from what was locked, field by field; none when the hashes are the same."""
    found = []
    for name, now, then in (
        ("plan", plan, locked.plan), ("intervention", intervention, locked.intervention),
    ):  # fmt: skip
        mine, its = msgspec.to_builtins(now), msgspec.to_builtins(then)
        for key in sorted(mine.keys() | its.keys()):
            if mine.get(key) != its.get(key):
                found.append(f"{name} {key}: locked {its.get(key)}, now {mine.get(key)}")
    return found
