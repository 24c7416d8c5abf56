"""The rendered street under the sky of its place and time, and under its lamp, if that burns."""

from dataclasses import dataclass
from functools import lru_cache

from edge.simulate.lux_profiles import StreetLightProfile
from edge.simulate.scene import StreetScene

# Below this the emulated camera has no exposure left to give: its picture grows darker.
FULL_EXPOSURE_LX = 30.0


@dataclass(frozen=True, kw_only=True)
class SkyScene(StreetScene):
    """A street whose light follows the clock.

    Args:
        profile: What falls on the ground, by UTC second.
        begin_utc_s: When frame 0 is.
    """

    profile: StreetLightProfile
    begin_utc_s: float

    def light_at(self, frame: int) -> float:
        return _light(self.profile, int(self.begin_utc_s + frame / self.fps))


@lru_cache(maxsize=8)
def _light(profile: StreetLightProfile, utc_s: int) -> float:
    return min(profile(utc_s) / FULL_EXPOSURE_LX, 1.0)
