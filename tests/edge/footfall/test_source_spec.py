"""The text that names a camera."""

from pathlib import Path

import pytest

from edge.errors import SettingsError
from edge.sensors.footfall.source_spec import SourceKind, SourceSpec


@pytest.mark.parametrize(
    ("text", "kind", "target", "live"),
    [
        ("clips/a.avi", SourceKind.FILE, "clips/a.avi", False),
        ("file:a b.avi", SourceKind.FILE, "a b.avi", False),
        ("v4l2:/dev/video0", SourceKind.V4L2, "/dev/video0", True),
        ("rtsp://u:p@host/1", SourceKind.RTSP, "rtsp://u:p@host/1", True),
        ("rpicam:", SourceKind.RPICAM, "", True),
        ("scene:", SourceKind.SCENE, "", False),
    ],
)
def test_each_kind_is_recognised(text: str, kind: SourceKind, target: str, live: bool) -> None:
    spec = SourceSpec.parse(text)
    assert (spec.kind, spec.target, spec.live) == (kind, target, live)
    assert SourceSpec.parse(spec.to_text()) == spec


def test_options_have_defaults_and_survive_the_text() -> None:
    spec = SourceSpec.parse("scene:seed=9;light=0.25")
    assert (spec.option("seed"), spec.option("light"), spec.option("width")) == (9, 0.25, 320)
    assert SourceSpec.parse(spec.to_text()) == spec
    assert SourceSpec.parse("v4l2:/dev/video2?fps=5").option("fps") == 5


def test_only_the_scene_is_simulated() -> None:
    assert SourceSpec.parse("scene:").simulated
    assert not SourceSpec.parse("a.avi").simulated


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scene:colour=1", "scene source has no option 'colour'; it takes seed"),
        ("scene:seed=x", "expected name=number"),
        ("v4l2:", "v4l2 source names no target"),
    ],
)
def test_a_bad_source_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        SourceSpec.parse(text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nothing\.avi' is no file"):
        SourceSpec.parse(str(tmp_path / "nothing.avi")).check_exists()
