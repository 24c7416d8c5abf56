"""`msl-node bench`: figures of this machine, whole and in the right order of size."""

from pathlib import Path

import pytest

from edge.sensors.bench import BenchFailed, agent_cost, detector_speed, machine, spool_records_per_s
from edge.sensors.bench_command import as_text, detectors
from edge.sensors.footfall.models import DetectorSpec, ModelError


def test_the_machine_is_named() -> None:
    assert machine()["board"]
    assert machine()["cores"] >= 1


def test_background_subtraction_is_timed_in_its_own_process() -> None:
    found = detector_speed(DetectorSpec("background"))
    assert found["detector"] == "background"
    assert found["busy_fps"] == pytest.approx(1000 / found["busy_ms"])
    assert found["street_fps"] > 5


def test_a_model_that_is_none_fails_with_its_reason(tmp_path: Path) -> None:
    model = tmp_path / "none.onnx"
    model.write_bytes(b"no weights")
    with pytest.raises(BenchFailed, match=r"yolox-aaaaaaaaaaaa: .*sha256"):
        detector_speed(DetectorSpec("yolox", model, "a" * 64))


def test_an_unknown_detector_is_refused_before_anything_runs() -> None:
    with pytest.raises(ModelError, match="hog"):
        detectors(["hog"])


def test_the_spool_is_timed_and_leaves_what_it_wrote_in_its_folder(tmp_path: Path) -> None:
    assert spool_records_per_s(tmp_path) > 10
    assert (tmp_path / "bench-spool.db").is_file()


def test_the_whole_agent_is_watched_with_its_two_processes_that_see() -> None:
    cost = agent_cost(5)
    assert cost.processes_n == 3
    assert 0 < cost.core_share < 2
    assert 50 * 2**20 < cost.rss_bytes < 600 * 2**20


def test_the_text_says_what_each_figure_is_of() -> None:
    text = as_text({
        "board": "Pi", "machine": "aarch64", "cores": 4, "load": 0.1,
        "detectors": [{"detector": "background", "busy_fps": 50.0, "street_fps": 60.0,
                       "people_per_min": 6}],
        "agents": [{"detector": "background", "core_share": 0.2, "rss_bytes": 2**28,
                    "processes_n": 3}],
        "spool_records_per_s": 900.0,
    })  # fmt: skip
    assert "20.0% of one core, 256 MB in 3 processes" in text
    assert "900 records a second" in text
