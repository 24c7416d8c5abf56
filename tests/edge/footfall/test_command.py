"""`msl-node count` as its user runs it."""

import csv
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edge.sensors.footfall.command import count

LINE = "130,60,130,239"


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(count)
    return app


def test_json_has_the_counts_and_what_they_rest_on(app: typer.Typer) -> None:
    result = CliRunner().invoke(
        app, ["--video", "scene:seed=2;seconds=30", "--line", LINE, "--json"]
    )
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert set(said) >= {"a_to_b", "b_to_a", "fps", "video_s", "flags"}
    assert said["video_s"] == 30
    assert said["flags"] == ["SIMULATED"]


def test_events_name_frame_direction_and_line(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    arguments = ["--video", "scene:seed=2;seconds=60", "--line", f"door:{LINE}"]
    result = CliRunner().invoke(app, [*arguments, "--events", str(path), "--json"])
    assert result.exit_code == 0
    with path.open() as file:
        rows = list(csv.DictReader(file))
    said = json.loads(result.stdout)
    ways = [row["direction"] for row in rows]
    assert {row["line"] for row in rows} == {"door"}
    assert (ways.count("a_to_b"), ways.count("b_to_a")) == (said["a_to_b"], said["b_to_a"])
    assert len(rows) > 3
    assert all(0 <= int(row["frame"]) < 300 for row in rows)


@pytest.mark.parametrize("camera", ["v4l2:/dev/video0", "rtsp://host/1", "rpicam:"])
def test_a_live_camera_is_refused(app: typer.Typer, camera: str) -> None:
    result = CliRunner().invoke(app, ["--video", camera, "--line", LINE])
    assert result.exit_code == 2
    assert "count reads files" in result.stderr


def test_darkness_prints_none_and_not_zero(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["--video", "scene:light=0;seconds=5", "--line", LINE])
    assert "a_to_b   none (nothing could be seen)" in result.stdout
    assert "DARK" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--video", "none.avi", "--line", LINE], "'none.avi' is no file"),
        (["--video", "scene:seconds=5", "--line", "1,2"], "expected x1,y1,x2,y2"),
        (
            ["--video", "scene:seconds=5", "--line", LINE, "--detector", "hog"],
            "detector 'hog' is unknown",
        ),
    ],
)
def test_a_mistake_is_named(app: typer.Typer, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert message in result.stderr
