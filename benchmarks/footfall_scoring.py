"""Counts against the truth: which crossings were missed, which were made up.

A true crossing takes the nearest counted one of its own way within `MATCH_S`. F1 is
2 right / (2 right + missed + made up); the net error is (counted - true) / true, in which a missed
one and a made-up one cancel, as they do in an hour's sum.
"""

from dataclasses import dataclass
from typing import Self

MATCH_S = 1.5
WAYS = ("a_to_b", "b_to_a")

# Frame and way.
Event = tuple[int, str]


@dataclass(frozen=True)
class Score:
    """True, counted, missed and made-up crossings, each as (a_to_b, b_to_a)."""

    true: tuple[int, int]
    counted: tuple[int, int]
    missed: tuple[int, int]
    made_up: tuple[int, int]

    @classmethod
    def of(cls, truth: list[Event], found: list[Event], fps: float) -> Self:
        pairs = [
            unmatched(frames_of(truth, way), frames_of(found, way), round(MATCH_S * fps))
            for way in WAYS
        ]
        return cls(
            both(truth),
            both(found),
            (pairs[0][0], pairs[1][0]),
            (pairs[0][1], pairs[1][1]),
        )

    def __add__(self, other: "Score") -> "Score":
        return Score(
            *(
                (one[0] + two[0], one[1] + two[1])
                for one, two in (
                    (self.true, other.true),
                    (self.counted, other.counted),
                    (self.missed, other.missed),
                    (self.made_up, other.made_up),
                )
            )
        )

    @property
    def f1(self) -> float | None:
        """None where nobody crossed and nobody was counted."""
        right = sum(self.true) - sum(self.missed)
        wrong = sum(self.missed) + sum(self.made_up)
        return 2 * right / (2 * right + wrong) if right or wrong else None

    @property
    def net_error(self) -> float | None:
        """Share of the true crossings; None where nobody crossed."""
        true = sum(self.true)
        return (sum(self.counted) - true) / true if true else None


def frames_of(events: list[Event], way: str) -> list[int]:
    return [frame for frame, its_way in events if its_way == way]


def both(events: list[Event]) -> tuple[int, int]:
    return len(frames_of(events, WAYS[0])), len(frames_of(events, WAYS[1]))


def unmatched(truth: list[int], found: list[int], within: int) -> tuple[int, int]:
    """(missed, made up) when each true frame takes the nearest found one within so many frames."""
    left = list(found)
    missed = 0
    for frame in truth:
        nearest = min(left, key=lambda other: abs(other - frame), default=None)
        if nearest is None or abs(nearest - frame) > within:
            missed += 1
        else:
            left.remove(nearest)
    return missed, len(left)
