"""YOLOX: weights that are refused, outputs that are decoded, people that are counted."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

from edge.sensors.footfall.command import count_video
from edge.sensors.footfall.counter import CounterDied
from edge.sensors.footfall.geometry import Geometry, Line
from edge.sensors.footfall.models import DetectorSpec, ModelFolder
from edge.sensors.footfall.source_spec import SourceSpec
from edge.sensors.footfall.vision.yolox import (
    COLUMNS,
    PERSON,
    Grid,
    ModelRefused,
    check_output,
    decode,
    letterboxed,
    load,
)

CELLS_320 = 40 * 40 + 20 * 20 + 10 * 10


def test_other_weights_than_asked_for_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "nano.onnx"
    path.write_bytes(b"changed")
    with pytest.raises(ModelRefused, match=r"nano\.onnx has sha256 .* expected 00ff"):
        load(path, "00ff")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="No such file"):
        load(tmp_path / "gone.onnx", "00ff")


@pytest.mark.parametrize("shape", [(1, CELLS_320, 8), (1, 8400, 85), (CELLS_320, 85)])
def test_another_output_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelRefused, match="YOLOX for COCO gives"):
        check_output(np.zeros(shape, np.float32), 320)


def test_one_person_is_decoded_to_its_box() -> None:
    output = np.zeros((1, CELLS_320, COLUMNS), np.float32)
    cell = 40 * 40 + 5 * 20 + 7  # second level, stride 16, row 5, column 7
    output[0, cell, :4] = (0.5, 0.25, np.log(2), np.log(4))
    output[0, cell, [4, PERSON]] = (0.9, 0.8)
    boxes, scores = decode(output, Grid.of(320))
    centre_x, centre_y = 7.5 * 16, 5.25 * 16
    expected = [centre_x - 16, centre_y - 32, centre_x + 16, centre_y + 32]
    assert boxes.tolist() == [pytest.approx(expected)]
    assert scores.tolist() == [pytest.approx(0.72)]


def test_a_letterbox_keeps_the_proportions() -> None:
    square, scale = letterboxed(np.full((240, 640, 3), 200, np.uint8), 320)
    assert scale == 0.5
    assert (square[:120] == 200).all()
    assert (square[120:] == 114).all()


def test_a_swapped_model_stops_the_counter(tmp_path: Path) -> None:
    path = tmp_path / "nano.onnx"
    path.write_bytes(b"swapped")
    spec = DetectorSpec("yolox", path, hashlib.sha256(b"the real one").hexdigest())
    geometry = Geometry(0, (Line("line", 130, 60, 130, 239),))
    with pytest.raises(CounterDied, match="has sha256") as caught:
        count_video(SourceSpec.parse("scene:seconds=5"), geometry, spec)
    assert caught.value.state == "bad_model"


def test_at_most_two_of_the_real_clips_crossings_are_wrong(real_data: Path, tmp_path: Path) -> None:
    with (real_data / "vtest_crossings.csv").open() as file:
        ways = {"right": "a_to_b", "left": "b_to_a"}
        truth = [(int(row["frame"]), ways[row["direction"]]) for row in csv.DictReader(file)]
    events = tmp_path / "events.csv"
    count_video(
        SourceSpec.parse(str(real_data / "vtest.avi")),
        Geometry(0, (Line("line", 310, 180, 310, 575),)),
        ModelFolder(tmp_path).find(f"yolox:{real_data / 'yolox_nano.onnx'}"),
        events=events,
    )
    with events.open() as file:
        found = [(int(row["frame"]), row["direction"]) for row in csv.DictReader(file)]
    for frame, way in truth:
        near = [event for event in found if event[1] == way and abs(event[0] - frame) <= 10]
        if near:
            found.remove(min(near, key=lambda event: abs(event[0] - frame)))
            truth = [each for each in truth if each != (frame, way)]
    assert len(truth) + len(found) <= 2
