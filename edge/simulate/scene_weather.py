"""The rendered street in bad conditions: rain, headlights, a dusk that falls while people walk.

As deterministic as the street itself: frame n of a seed is always the same picture.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.simulate.scene import StreetScene

# A drop in half a frame's exposure: about this long, and this much brighter than what is behind.
DROP_PX = 9
DROP_GREY = 38.0
DROPS_OF_HEAVY_RAIN = 320
# What a headlight adds to the ground it meets, in reflectance: dipped beams outshine a street lamp.
BEAM_GAIN = 5.0
CAR_PX_PER_S = 110.0
# A camera that is blinded takes its exposure back for as long as the car is near.
GLARE_SHARE = 0.25


@dataclass(frozen=True)
class WeatheredScene(StreetScene):
    """A street with weather, traffic and time of day.

    Args:
        rain: 0 none, 1 heavy: streaks all over the picture and a veil.
        cars_per_min: Cars whose headlights sweep over the footpath, on average.
        dark_after_s: From frame 0 on `light` falls evenly (on a log scale) to `dark_light` within
            this time; 0: it stays.
        dark_light: The light at the end of the dusk.
    """

    rain: float = 0.0
    cars_per_min: float = 0.0
    dark_after_s: float = 0.0
    dark_light: float = 0.004

    def light_at(self, frame: int) -> float:
        if not self.dark_after_s:
            return self.light
        part = min(frame / self.fps / self.dark_after_s, 1.0)
        return float(self.light * (self.dark_light / self.light) ** part)

    def _expose(self, picture: NDArray[np.float32], frame: int) -> NDArray[np.uint8]:
        if self.cars_per_min:
            picture = self._lit_by_cars(picture, frame)
        if self.rain:
            self._draw_rain(picture, frame)
        return super()._expose(picture, frame)

    def _draw_rain(self, picture: NDArray[np.float32], frame: int) -> None:
        rng = np.random.default_rng((self.seed, frame, 0xA1))
        drops = round(DROPS_OF_HEAVY_RAIN * self.rain)
        x = rng.integers(0, self.width, drops)[:, None]
        y = rng.integers(-DROP_PX, self.height, drops)[:, None] + np.arange(DROP_PX)
        kept = (y >= 0) & (y < self.height)
        xs = np.broadcast_to(x, y.shape)[kept]
        picture *= 1 - 0.12 * self.rain
        picture += 12 * self.rain
        picture[y[kept], xs] += DROP_GREY

    def _lit_by_cars(self, picture: NDArray[np.float32], frame: int) -> NDArray[np.float32]:
        second = frame / self.fps
        beam, nearest = np.zeros_like(picture), 0.0
        rows, columns = np.ogrid[: self.height, : self.width]
        down = np.exp(-(((rows - 0.72 * self.height) / (0.2 * self.height)) ** 2))
        for enter_s, way in self._cars_near(second):
            along = (second - enter_s) * CAR_PX_PER_S - 80
            x = along if way > 0 else self.width - along
            beam += np.exp(-(((columns - x) / (0.16 * self.width)) ** 2)) * down
            nearest = max(nearest, math.exp(-(((x / self.width - 0.5) / 0.5) ** 2)))
        # Beams are as bright by day as by night: it is the rest that grows darker.
        gain = BEAM_GAIN * 0.1 / max(self.light_at(frame), 0.02)
        return np.asarray(picture * (1 + gain * beam) * (1 - GLARE_SHARE * nearest), np.float32)

    def _cars_near(self, second: float) -> list[tuple[float, float]]:
        """(when it enters, which way) of every car that can light the picture then."""
        crossing_s = (self.width + 160) / CAR_PX_PER_S
        cars = []
        for minute in (int(second // 60) - 1, int(second // 60)):
            rng = np.random.default_rng((self.seed, minute % 2**32, 0xCA))
            for _ in range(rng.poisson(self.cars_per_min)):
                enter_s, way = 60 * minute + float(rng.uniform(0, 60)), float(rng.choice([-1, 1]))
                if enter_s <= second < enter_s + crossing_s:
                    cars.append((enter_s, way))
        return cars
