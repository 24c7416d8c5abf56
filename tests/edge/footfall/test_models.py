"""Detector models: added whole and pinned, or refused."""

import hashlib
import json
from pathlib import Path

import pytest

from edge.sensors.footfall.models import DetectorSpec, ModelError, ModelFolder


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    return ModelFolder(tmp_path / "models")


def pin(folder: ModelFolder, name: str, data: bytes) -> str:
    folder.folder.mkdir(parents=True)
    folder.path_of(name).write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    note = {"name": name, "sha256": sha256, "size_bytes": len(data), "added": "2026-01-01"}
    (folder.folder / f"{name}.json").write_text(json.dumps(note))
    return sha256


def test_background_needs_no_model(folder: ModelFolder) -> None:
    assert folder.find("background") == DetectorSpec("background")
    assert folder.find("background").rev == "background"


def test_an_added_model_is_found_by_name_with_its_pin(folder: ModelFolder) -> None:
    sha256 = pin(folder, "nano", b"weights")
    spec = folder.find("yolox:nano")
    assert spec == DetectorSpec("yolox", folder.path_of("nano"), sha256)
    assert spec.rev == f"yolox-{sha256[:12]}"


def test_a_file_nobody_vouched_for_is_refused(folder: ModelFolder, tmp_path: Path) -> None:
    file = tmp_path / "other.onnx"
    file.write_bytes(b"who knows")
    with pytest.raises(ModelError, match="which nobody vouched for; msl-node model add"):
        folder.find(f"yolox:{file}")


@pytest.mark.parametrize("text", ["hog", "yolox", "yolox:", "background:x"])
def test_an_unknown_detector_is_named(folder: ModelFolder, text: str) -> None:
    with pytest.raises(ModelError, match=f"detector '{text}' is unknown"):
        folder.find(text)


def test_what_is_no_onnx_is_not_added(folder: ModelFolder, tmp_path: Path) -> None:
    file = tmp_path / "text.onnx"
    file.write_text("not a network")
    with pytest.raises(ModelError, match=r"text\.onnx is no readable ONNX"):
        folder.add(file, "text")
    assert folder.list() == []


def test_a_name_can_not_leave_the_folder(folder: ModelFolder, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="use a-z"):
        folder.add(tmp_path / "x.onnx", "../x")


def test_a_real_model_is_added_and_listed(folder: ModelFolder, real_data: Path) -> None:
    added = folder.add(real_data / "yolox_nano.onnx", "nano")
    assert folder.list() == [added]
    assert hashlib.sha256(folder.path_of("nano").read_bytes()).hexdigest() == added.sha256
