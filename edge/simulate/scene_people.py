"""Who walks through the rendered street, when, how fast, with whom: a random but fixed cast."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

PERSON_M = 1.72
# Walking speeds, m/s: mean and spread of adults on a level footpath (about 1.3 ± 0.2).
WALK_MPS, WALK_SD_MPS = 1.3, 0.2
STEP_M = 0.7
# Depth of the footpath in the picture, as shares of its height.
NEAR_SHARE, FAR_SHARE = 0.93, 0.48
BACKGROUND_GREYS = (35.0, 60.0, 190.0, 225.0)


@dataclass(frozen=True, eq=False)
class Person:
    """One walker: straight on along x, at constant depth and speed but for one stop.

    x is in metres from the picture's middle, depth a share of the picture's height.
    """

    enter_s: float
    from_m: float
    to_m: float
    depth_share: float
    drift_share: float
    speed_mps: float
    tall_m: float
    coat_grey: float
    legs_grey: float
    stop_after_s: float
    stop_for_s: float

    @property
    def leave_s(self) -> float:
        walk_s = abs(self.to_m - self.from_m) / self.speed_mps
        return self.enter_s + walk_s + self.stop_for_s

    def walked_s(self, second: float) -> float:
        """Seconds of walking up to then: standing still doesn't count."""
        since = second - self.enter_s
        return since - min(max(since - self.stop_after_s, 0.0), self.stop_for_s)

    def foot(self, second: float) -> tuple[float, float]:
        """(x in m, depth share) at that time."""
        walked_m = self.walked_s(second) * self.speed_mps
        way = math.copysign(1.0, self.to_m - self.from_m)
        part = walked_m / abs(self.to_m - self.from_m)
        return self.from_m + way * walked_m, self.depth_share + self.drift_share * part

    def gait(self, second: float) -> float:
        """Phase of the steps, radians."""
        return math.pi * self.walked_s(second) * self.speed_mps / STEP_M


def people_of_minute(
    seed: int,
    minute: int,
    per_min: float,
    groups: float,
    loiterers: float,
    half_m: Callable[[float], float],
) -> list[Person]:
    """Everybody who enters in that minute; groups share way, speed and (nearly) place.

    Args:
        half_m: Where the picture ends, in metres from its middle, at a depth.
    """
    rng = np.random.default_rng((seed, minute % 2**32, 0x9E))
    people: list[Person] = []
    for _ in range(rng.poisson(per_min)):
        together = int(rng.choice([2, 2, 2, 3])) if rng.random() < groups else 1
        enter_s = 60 * minute + float(rng.uniform(0, 60))
        way = float(rng.choice([-1.0, 1.0]))
        depth = float(rng.uniform(FAR_SHARE, NEAR_SHARE))
        drift = float(rng.uniform(-0.08, 0.08))
        speed = float(np.clip(rng.normal(WALK_MPS, WALK_SD_MPS), 0.7, 2.0))
        stops = rng.random() < loiterers
        stop_after_s, stop_for_s = float(rng.uniform(2, 8)), float(rng.uniform(5, 25)) * stops
        for place in range(together):
            # Abreast: one beside the other in depth, with a little lead.
            own_depth = float(np.clip(depth + 0.045 * place, FAR_SHARE, NEAR_SHARE + 0.04))
            edge_m = half_m(own_depth) + 0.5
            lead_m = float(rng.uniform(0.35, 0.75)) * place
            people.append(
                Person(
                    enter_s=enter_s + lead_m / speed,
                    from_m=-way * edge_m,
                    to_m=way * edge_m,
                    depth_share=own_depth,
                    drift_share=float(np.clip(drift, 0.44 - own_depth, 0.97 - own_depth)),
                    speed_mps=speed,
                    tall_m=float(np.clip(rng.normal(PERSON_M, 0.09), 1.4, 1.95)),
                    coat_grey=float(rng.choice(BACKGROUND_GREYS)) + float(rng.uniform(-12, 12)),
                    legs_grey=float(rng.choice([30.0, 50.0, 75.0])),
                    stop_after_s=stop_after_s,
                    stop_for_s=stop_for_s,
                )
            )
    return people
