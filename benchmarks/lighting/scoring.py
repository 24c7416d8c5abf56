"""Episodes against truth: which were found, missed, or made up, and how soon.

An episode counts for a truth of the same lamp and kind if they overlap (a day's slack on each
side: what begins by day shows at dusk). One truth takes one episode; a second one is a false alarm,
since one fault must be one episode.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.lighting.site import Truth

_SLACK_S = 86_400


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a detector said; `to_s` None: still going on."""

    node: str
    kind: str
    from_s: int
    to_s: int | None
    raised_s: int


@dataclass(kw_only=True)
class Score:
    """Counts of one kind."""

    found: int = 0
    missed: int = 0
    made_up: int = 0
    delays_s: list[int] = field(default_factory=list)

    @property
    def f1(self) -> float:
        total = 2 * self.found + self.missed + self.made_up
        return 2 * self.found / total if total else float("nan")


@dataclass(frozen=True, kw_only=True)
class Match:
    """All pairs of one recording; either side may be missing."""

    truth: Truth | None
    claim: Claim | None


def match(truths: Iterable[Truth], claims: Iterable[Claim]) -> list[Match]:
    """Pair claims with truths; claims on truths that can't be told are left out, both ways."""
    left = list(claims)
    pairs: list[Match] = []
    for truth in sorted(truths, key=lambda one: (not one.told, one.from_s)):
        fitting = [claim for claim in left if _fits(truth, claim)]
        if fitting:
            best = max(fitting, key=lambda claim: _overlap_s(truth, claim))
            left.remove(best)
            if truth.told:
                pairs.append(Match(truth=truth, claim=best))
        elif truth.told:
            pairs.append(Match(truth=truth, claim=None))
    return pairs + [Match(truth=None, claim=claim) for claim in left]


def delay_s(pair: Match) -> int | None:
    """From the first moment at which it could be told to the alarm."""
    if pair.truth is None or pair.claim is None:
        return None
    return pair.claim.raised_s - pair.truth.tellable_s


def _fits(truth: Truth, claim: Claim) -> bool:
    return (
        truth.node == claim.node
        and truth.kind == claim.kind
        and claim.from_s <= truth.to_s + _SLACK_S
        and (claim.to_s is None or claim.to_s >= truth.from_s - _SLACK_S)
    )


def _overlap_s(truth: Truth, claim: Claim) -> int:
    end = truth.to_s if claim.to_s is None else min(truth.to_s, claim.to_s)
    return end - max(truth.from_s, claim.from_s)
