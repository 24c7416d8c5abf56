"""Areas on the map: which arm does a point lie in? GeoJSON polygons, or circles around sites."""

import json
import math
from pathlib import Path
from typing import Any

import msgspec
from shapely.errors import ShapelyError
from shapely.geometry import Point, shape
from shapely.geometry.base import BaseGeometry

from server.evaluation.errors import BadRequest

ARMS = ("treated", "buffer", "control")
_EARTH_M = 6_371_000.0


class Area(msgspec.Struct, frozen=True, kw_only=True):
    """A polygon of one arm, in degrees; `site` if it belongs to one."""

    name: str
    arm: str
    shape: Any
    site: str | None = None


class Circle(msgspec.Struct, frozen=True, kw_only=True):
    """Everything within `radius_m` of a site."""

    site: str
    arm: str
    latitude: float
    longitude: float
    radius_m: float


def read_areas(path: Path) -> list[Area]:
    """A GeoJSON FeatureCollection whose features have `arm` (and `name`, `site`) as properties.

    Raises:
        BadRequest: Not GeoJSON, an unknown arm, or a shape that isn't valid.
    """
    try:
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
    except FileNotFoundError:
        raise BadRequest(f"no areas file at {path}") from None
    except (json.JSONDecodeError, KeyError, TypeError):
        raise BadRequest(f"{path.name} is no GeoJSON FeatureCollection") from None
    return [_area(path, k, feature) for k, feature in enumerate(features, start=1)]


def _area(path: Path, number: int, feature: Any) -> Area:
    try:
        known, drawn = feature["properties"], shape(feature["geometry"])
    except (KeyError, TypeError, AttributeError, ShapelyError, ValueError) as error:
        raise BadRequest(f"{path.name} feature {number}: no shape or properties: {error}") from None
    if known.get("arm") not in ARMS:
        raise BadRequest(
            f"{path.name} feature {number}: arm is {known.get('arm')!r}; give {', '.join(ARMS)}"
        )
    if drawn.is_empty or not drawn.is_valid:
        raise BadRequest(f"{path.name} feature {number}: its outline crosses itself or is empty")
    name = str(known.get("name", f"area {number}"))
    return Area(name=name, arm=known["arm"], shape=drawn, site=known.get("site"))


def arm_of_point(
    areas: list[Area], circles: list[Circle], latitude: float, longitude: float
) -> tuple[str, str | None] | None:
    """Arm and site of a point; treated before buffer before control; None outside of all.

    Polygons first; then the nearest site whose circle holds the point, by great-circle distance.
    """
    point = Point(longitude, latitude)
    for arm in ARMS:
        for area in areas:
            if area.arm == arm and _covers(area.shape, point):
                return arm, area.site
    near = [
        (distance_m(c.latitude, c.longitude, latitude, longitude), c)
        for c in circles
    ]  # fmt: skip
    inside = [(d, c) for d, c in near if d <= c.radius_m]
    if not inside:
        return None
    _, circle = min(inside, key=lambda found: (found[0], found[1].site))
    return circle.arm, circle.site


def _covers(area: BaseGeometry, point: Point) -> bool:
    return bool(area.covers(point))


def distance_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Metres along the great circle (haversine; Sinnott 1984, Sky and Telescope 68:159)."""
    p1, p2 = math.radians(lat1), math.radians(lat2)
    dlat, dlon = p2 - p1, math.radians(lon2 - lon1)
    a = math.sin(dlat / 2) ** 2 + math.cos(p1) * math.cos(p2) * math.sin(dlon / 2) ** 2
    return 2 * _EARTH_M * math.asin(math.sqrt(a))
