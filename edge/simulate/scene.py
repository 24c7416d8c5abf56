"""A rendered street: what a camera over a footpath would give, with the truth beside it.

People walk both ways, alone and in groups, stop for a while, pass behind a lamp post and behind
each other, and throw shadows. Everything follows from the seed: the same seed gives the same
picture of frame n, in whatever order frames are asked for. Grey, numpy only, about 1 ms a frame.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge.simulate.scene_people import PERSON_M, Person, people_of_minute

# People further away than this many minutes of walking can't be in the picture any more.
LONGEST_WALK_MIN = 3
HORIZON_SHARE = 0.08
# How tall a person is per pixel below the horizon: a camera 4 m up, looking along a street.
HEIGHT_PER_PX = 0.34
NOISE_FRAMES = 8
# Grey levels of the camera's own noise by day.
NOISE_SD = 1.6
SUN_SHADOW = 0.72
POST_SHARE = 0.57


@dataclass(frozen=True)
class Crossing:
    """One foot point that went over a line: the first frame on the new side, and the way."""

    frame: int
    direction: str
    line: str


@dataclass(frozen=True)
class StreetScene:
    """A camera's view of a street.

    Args:
        seed: What happens; the same number gives the same street again.
        people_per_min: Groups that enter each minute, on average.
        light: 1 is day, 0.05 a badly lit night, 0 no light at all.
        groups: Share of walkers who come in company.
        loiterers: Share who stop for a while on their way.
        occluder: Whether a lamp post stands in the picture.
    """

    seed: int
    width: int = 320
    height: int = 240
    fps: float = 5.0
    people_per_min: float = 6.0
    light: float = 1.0
    groups: float = 0.3
    loiterers: float = 0.05
    occluder: bool = True
    _minutes: dict[int, list[Person]] = field(default_factory=dict, compare=False, repr=False)

    def render(self, frame: int) -> NDArray[np.uint8]:
        """Frame `frame` as the camera would give it: (height, width) uint8 grey."""
        picture = self._background.copy()
        people = self.people_at(frame)
        for person in people:
            self._draw_shadow(picture, person, frame)
        # The further up, the further away: nearer people are drawn over the others.
        for person in sorted(people, key=lambda person: person.foot(self._second(frame))[1]):
            self._draw_person(picture, person, frame)
        if self.occluder:
            self._draw_post(picture)
        return self._expose(picture, frame)

    def people_at(self, frame: int) -> list[Person]:
        """Who is on the way at that time, in the picture or just beside it."""
        second = self._second(frame)
        minute = int(second // 60)
        return [
            person
            for back in range(LONGEST_WALK_MIN + 1)
            for person in self._people_of(minute - back)
            if person.enter_s <= second < person.leave_s
        ]

    def foot_px(self, person: Person, frame: int) -> tuple[float, float]:
        """Where a person stands, in pixels of the picture."""
        x_m, y_share = person.foot(self._second(frame))
        y = y_share * self.height
        return self.width / 2 + x_m * self._px_per_m(y), y

    def crossings(
        self, line: tuple[float, float, float, float], frames: int, name: str = "line"
    ) -> list[Crossing]:
        """Every crossing of the segment x1,y1,x2,y2 in frames 0 to `frames` - 1, exactly."""
        found: list[Crossing] = []
        before: dict[Person, tuple[float, float]] = {}
        for frame in range(frames):
            now = {person: self.foot_px(person, frame) for person in self.people_at(frame)}
            for person, foot in now.items():
                way = crossing_way(line, before.get(person, foot), foot)
                if way:
                    found.append(Crossing(frame, way, name))
            before = now
        return found

    def light_at(self, frame: int) -> float:
        """How much light there is at that time, on the scale of `light`."""
        return self.light

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """Frames from 0 on, without end."""
        frame = 0
        while True:
            yield self.render(frame)
            frame += 1

    def _second(self, frame: int) -> float:
        return frame / self.fps

    def _people_of(self, minute: int) -> list[Person]:
        known = self._minutes.get(minute)
        if known is None:
            known = people_of_minute(
                self.seed, minute, self.people_per_min, self.groups, self.loiterers, self._half_m
            )
            self._minutes[minute] = known
            self._minutes.pop(minute - 10, None)
        return known

    def _half_m(self, y_share: float) -> float:
        """Half of the picture's width in metres at that depth, and a body's width more."""
        return self.width / 2 / self._px_per_m(y_share * self.height) + 0.6

    def _px_per_m(self, y: float) -> float:
        return HEIGHT_PER_PX * (y - HORIZON_SHARE * self.height) / PERSON_M

    @cached_property
    def _background(self) -> NDArray[np.float32]:
        rng = np.random.default_rng((self.seed, 0xB6))
        rows = np.linspace(0, 1, self.height, dtype=np.float32)[:, None]
        picture = np.full((self.height, self.width), 118, np.float32) + 22 * rows
        picture[: self.height // 3] = 92  # a wall behind the footpath
        for _ in range(24):  # windows, slabs, patches: something for the background model to learn
            x, y = rng.integers(0, self.width - 12), rng.integers(0, self.height - 8)
            w, h = rng.integers(8, 46), rng.integers(4, 22)
            picture[y : y + h, x : x + w] += rng.uniform(-22, 22)
        grain = rng.normal(0, 5, picture.shape).astype(np.float32)
        return np.asarray(np.clip(picture + grain, 20, 220), np.float32)

    @cached_property
    def _noise(self) -> NDArray[np.float32]:
        rng = np.random.default_rng((self.seed, 0x15))
        shape = (NOISE_FRAMES, self.height, self.width)
        return np.asarray(rng.normal(0, NOISE_SD, shape), np.float32)

    def _expose(self, picture: NDArray[np.float32], frame: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng((self.seed, frame))
        noise = self._noise[rng.integers(NOISE_FRAMES)]
        noise = np.roll(noise, int(rng.integers(self.height)), axis=0)
        # Cloud and the camera's own exposure breathe slowly.
        breath = 1 + 0.02 * math.sin(self._second(frame) / 9)
        light = self.light_at(frame)
        # Shot noise weighs more the less light there is: the camera turns up its gain.
        noise = noise / math.sqrt(max(light, 0.05))
        seen = picture * (min(light, 1.0) ** 0.5 * breath) + noise
        return np.asarray(np.clip(seen, 0, 255), np.uint8)

    def _draw_shadow(self, picture: NDArray[np.float32], person: Person, frame: int) -> None:
        if self.light_at(frame) < 0.5:
            return
        x, y = self.foot_px(person, frame)
        tall = self._px_per_m(y) * person.tall_m
        patch, gx, gy = window(picture, x, y - 0.10 * tall, x + 0.75 * tall, y + 0.06 * tall)
        if patch.size:
            along = (gx - x) / (0.75 * tall)
            across = (gy - (y - 0.02 * tall)) / (0.06 * tall)
            inside = (along > 0) & (along < 1) & (np.abs(across) < 1 - 0.4 * along)
            patch[inside] *= SUN_SHADOW

    def _draw_person(self, picture: NDArray[np.float32], person: Person, frame: int) -> None:
        x, y = self.foot_px(person, frame)
        tall = self._px_per_m(y) * person.tall_m
        if tall < 4:
            return
        patch, gx, gy = window(picture, x - 0.28 * tall, y - tall, x + 0.28 * tall, y)
        if patch.size:
            u = (gx - x) / tall  # across, in body heights
            v = (y - gy) / tall  # 0 at the feet, 1 at the crown
            swing = 0.13 * math.sin(person.gait(self._second(frame)))
            for inside, grey in body_parts(u, v, swing, person):
                patch[inside] = grey

    def _draw_post(self, picture: NDArray[np.float32]) -> None:
        x = int(POST_SHARE * self.width)
        wide = max(3, self.width // 64)
        picture[: int(0.8 * self.height), x : x + wide] = 70


def body_parts(
    u: NDArray[np.float32], v: NDArray[np.float32], swing: float, person: Person
) -> Iterator[tuple[NDArray[np.bool_], float]]:
    """Legs, trunk and head of a walker as masks over (u across, v up), in body heights."""
    for way in (swing, -swing):
        leg = np.abs(u - way * (0.5 - v) * 2) < 0.055
        yield leg & (v >= 0) & (v < 0.5), person.legs_grey
    yield (np.abs(u) < 0.125 - 0.03 * np.abs(v - 0.7)) & (v >= 0.45) & (v < 0.84), person.coat_grey
    yield (u / 0.065) ** 2 + ((v - 0.92) / 0.08) ** 2 < 1, 150.0


def window(
    picture: NDArray[np.float32], left: float, top: float, right: float, bottom: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """The part of the picture inside a box, with the x and y of its pixels; empty when outside."""
    height, width = picture.shape
    x0, x1 = max(0, math.floor(left)), max(0, min(width, math.ceil(right) + 1))
    y0, y1 = max(0, math.floor(top)), max(0, min(height, math.ceil(bottom) + 1))
    gy, gx = np.mgrid[y0 : max(y0, y1), x0 : max(x0, x1)].astype(np.float32)
    return picture[y0:y1, x0:x1], gx, gy


def crossing_way(
    line: tuple[float, float, float, float],
    before: tuple[float, float],
    now: tuple[float, float],
) -> str | None:
    """`a_to_b`, `b_to_a` or None for one step of a foot point; side A is where the cross is > 0."""
    x1, y1, x2, y2 = line

    def side(point: tuple[float, float]) -> float:
        return (x2 - x1) * (point[1] - y1) - (y2 - y1) * (point[0] - x1)

    d0, d1 = side(before), side(now)
    if (d0 > 0) == (d1 > 0):
        return None
    part = d0 / (d0 - d1)
    x = before[0] + part * (now[0] - before[0])
    y = before[1] + part * (now[1] - before[1])
    along = ((x2 - x1) * (x - x1) + (y2 - y1) * (y - y1)) / ((x2 - x1) ** 2 + (y2 - y1) ** 2)
    if not 0 <= along <= 1:
        return None
    return "a_to_b" if d0 > 0 else "b_to_a"
