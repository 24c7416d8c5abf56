"""Where people are counted: named lines and one optional zone.

x grows to the right, y grows downwards. For a line x1,y1,x2,y2 side A is where
(x2-x1)(y-y1) - (y2-y1)(x-x1) > 0: right of the arrow's way on the screen. A configuration gives
shares of the frame, the command line gives pixels; stretching an axis never changes the side.
"""

import json
import math
import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from contract.ids import LINE_NAME_PATTERN
from edge.errors import SettingsError

if TYPE_CHECKING:
    from contract import messages

MAX_LINES = 16
MAX_ZONE_POINTS = 32


class Unit(StrEnum):
    """What coordinates count in."""

    PX = "px"
    SHARE = "share"


# Shorter than this, a line can't tell its two sides from a person's own width.
SHORTEST_LINE = {Unit.PX: 8.0, Unit.SHARE: 0.02}
LARGEST = {Unit.PX: 8192.0, Unit.SHARE: 1.0}


class GeometryError(SettingsError):
    """A counting line or zone can't be used; the message says which and why."""


@dataclass(frozen=True)
class Line:
    """One counting line. Only the segment counts: who walks around its end is not counted."""

    name: str
    x1: float
    y1: float
    x2: float
    y2: float

    def __post_init__(self) -> None:
        if not re.fullmatch(LINE_NAME_PATTERN, self.name):
            raise GeometryError(f"line name {self.name!r}: use 1 to 32 of a-z, 0-9, - and _")

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        return (self.x1, self.y1), (self.x2, self.y2)

    @property
    def length(self) -> float:
        return math.hypot(self.x2 - self.x1, self.y2 - self.y1)

    def distance(self, x: float, y: float) -> float:
        """Signed distance of a point from the endless line: positive on side A."""
        cross = (self.x2 - self.x1) * (y - self.y1) - (self.y2 - self.y1) * (x - self.x1)
        return cross / self.length

    def along(self, x: float, y: float) -> float:
        """Where a point projects on the segment: 0 at its start, 1 at its end."""
        dot = (self.x2 - self.x1) * (x - self.x1) + (self.y2 - self.y1) * (y - self.y1)
        return dot / self.length**2

    @classmethod
    def parse(cls, text: str, name: str = "line") -> Self:
        """A line from "x1,y1,x2,y2" or "name:x1,y1,x2,y2", as the command line takes it."""
        head, colon, rest = text.rpartition(":")
        try:
            x1, y1, x2, y2 = (float(part) for part in rest.split(","))
        except ValueError:
            raise GeometryError(
                f"line {text!r}: expected x1,y1,x2,y2 in pixels, e.g. 310,180,310,575"
            ) from None
        return cls(head if colon else name, x1, y1, x2, y2)


@dataclass(frozen=True)
class Zone:
    """A polygon; its occupancy is the mean number of foot points inside."""

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not 3 <= len(self.points) <= MAX_ZONE_POINTS:
            raise GeometryError(
                f"zone has {len(self.points)} corners; 3 to {MAX_ZONE_POINTS} are possible"
            )
        if polygon_area(self.points) == 0:
            raise GeometryError("zone has no area; give its corners in order around it")


@dataclass(frozen=True)
class Geometry:
    """What a node counts, with the revision that every record names."""

    rev: int
    lines: tuple[Line, ...]
    zone: Zone | None = None
    unit: Unit = Unit.PX

    def __post_init__(self) -> None:
        if not 0 <= self.rev < 2**31:
            raise GeometryError(f"geometry_rev {self.rev} is outside 0 to 2^31 - 1")
        if not 1 <= len(self.lines) <= MAX_LINES:
            raise GeometryError(f"{len(self.lines)} lines; 1 to {MAX_LINES} are possible")
        names = [line.name for line in self.lines]
        if len(set(names)) != len(names):
            raise GeometryError(f"line names must differ, seen {', '.join(names)}")

        for line in self.lines:
            self._check_points(f"line {line.name}", line.corners)
            if line.length < SHORTEST_LINE[self.unit]:
                raise GeometryError(
                    f"line {line.name} is {line.length:.3g} {self.unit} long;"
                    f" at least {SHORTEST_LINE[self.unit]:g} {self.unit}"
                )
        if self.zone:
            self._check_points("zone", self.zone.points)

    def _check_points(self, what: str, points: tuple[tuple[float, float], ...]) -> None:
        for value in (value for point in points for value in point):
            if not (math.isfinite(value) and 0 <= value <= LARGEST[self.unit]):
                raise GeometryError(
                    f"{what}: {value!r} is outside 0 to {LARGEST[self.unit]:g} {self.unit}"
                )

    def in_pixels(self, width: int, height: int) -> Self:
        """The same places in a frame of this size; raises `GeometryError` for those outside it."""
        sx, sy = (width, height) if self.unit is Unit.SHARE else (1, 1)
        lines = tuple(
            Line(line.name, line.x1 * sx, line.y1 * sy, line.x2 * sx, line.y2 * sy)
            for line in self.lines
        )
        zone = self.zone and Zone(tuple((x * sx, y * sy) for x, y in self.zone.points))
        for line in lines:
            if any(x > width or y > height for x, y in line.corners):
                raise GeometryError(
                    f"line {line.name} leaves the camera's frame of {width} x {height} px"
                )
        return type(self)(self.rev, lines, zone, Unit.PX)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote; raises `GeometryError` for anything else."""
        try:
            raw: dict[str, Any] = json.loads(text)
            zone = raw["zone"] and Zone(tuple((x, y) for x, y in raw["zone"]["points"]))
            lines = tuple(Line(**line) for line in raw["lines"])
            return cls(raw["rev"], lines, zone, Unit(raw["unit"]))
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise GeometryError(f"geometry can't be read: {error!r}") from error

    @classmethod
    def from_config(cls, config: "messages.Geometry") -> Self:
        """The geometry that `down/config` brought, in shares of the frame."""
        lines = tuple(Line(line.line, line.x1, line.y1, line.x2, line.y2) for line in config.lines)
        zone = Zone(tuple(config.zone)) if config.zone else None
        return cls(config.geometry_rev, lines, zone, Unit.SHARE)


def polygon_area(points: tuple[tuple[float, float], ...]) -> float:
    """Signed area by the shoelace formula."""
    pairs = zip(points, points[1:] + points[:1], strict=True)
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs) / 2
