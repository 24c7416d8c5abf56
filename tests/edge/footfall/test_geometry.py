"""Lines and zones: sides, units, and what is refused."""

import pytest

from contract import messages
from edge.sensors.footfall.geometry import Geometry, GeometryError, Line, Unit, Zone


def test_left_of_a_line_drawn_downwards_is_side_a() -> None:
    line = Line("door", 310, 180, 310, 575)
    assert line.distance(300, 400) == pytest.approx(10)
    assert line.distance(330, 400) == pytest.approx(-20)


def test_swapping_the_ends_swaps_the_sides() -> None:
    assert Line("door", 310, 575, 310, 180).distance(300, 400) == pytest.approx(-10)


def test_stretching_to_pixels_keeps_the_side() -> None:
    shares = Geometry(3, (Line("door", 0.2, 0.1, 0.7, 0.9),), unit=Unit.SHARE)
    pixels = shares.in_pixels(640, 480)
    for x, y in ((0.1, 0.9), (0.9, 0.1), (0.5, 0.5), (0.3, 0.6)):
        before = shares.lines[0].distance(x, y)
        after = pixels.lines[0].distance(x * 640, y * 480)
        assert (before > 0) == (after > 0)
    assert pixels.unit is Unit.PX
    assert pixels.rev == 3


def test_geometry_survives_its_json() -> None:
    zone = Zone(((0.1, 0.1), (0.9, 0.1), (0.5, 0.8)))
    geometry = Geometry(7, (Line("a", 0, 0, 1, 1), Line("b-2", 0, 1, 1, 0)), zone, Unit.SHARE)
    assert Geometry.from_json(geometry.to_json()) == geometry


def test_geometry_comes_from_the_contract_config() -> None:
    line = messages.Line(line="north", x1=0.5, y1=0.0, x2=0.5, y2=1.0)
    config = messages.Geometry(geometry_rev=4, lines=[line], zone=[(0, 0), (1, 0), (1, 1)])
    geometry = Geometry.from_config(config)
    assert geometry.rev == 4
    assert geometry.in_pixels(320, 240).lines[0] == Line("north", 160, 0, 160, 240)
    assert geometry.zone == Zone(((0, 0), (1, 0), (1, 1)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3", "expected x1,y1,x2,y2"),
        ("1,2,3,four", "expected x1,y1,x2,y2"),
        ("10,10,12,10", "line line is 2 px long; at least 8 px"),
        ("0,0,nan,10", "nan is outside 0 to 8192 px"),
        ("-5,0,10,10", "-5.0 is outside 0 to 8192 px"),
        ("Main Door:0,0,10,10", "line name 'Main Door'"),
    ],
)
def test_a_bad_line_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(GeometryError, match=message):
        Geometry(0, (Line.parse(text),))


def test_two_lines_of_one_name_are_refused() -> None:
    with pytest.raises(GeometryError, match="line names must differ"):
        Geometry(0, (Line("a", 0, 0, 9, 9), Line("a", 0, 9, 9, 0)))


def test_a_line_outside_the_frame_is_named() -> None:
    with pytest.raises(GeometryError, match="line far leaves the camera's frame of 320 x 240 px"):
        Geometry(0, (Line("far", 0, 0, 400, 100),)).in_pixels(320, 240)


def test_a_flat_zone_is_refused() -> None:
    with pytest.raises(GeometryError, match="no area"):
        Zone(((0, 0), (5, 5), (10, 10)))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rev":1,"lines":[{"x":1}],"zone":null}'])
def test_nonsense_is_no_geometry(text: str) -> None:
    with pytest.raises(GeometryError, match="can't be read"):
        Geometry.from_json(text)
