"""A street whose lamp is out, from the emulated camera to the record: too dark is not nobody."""

from pathlib import Path

import pytest

from contract.streams import Stream
from tests.edge.fake_server import FakeServer
from tests.edge.test_agent import finish, sets, start, stored

pytestmark = [pytest.mark.mqtt, pytest.mark.timeout(240)]

NIGHT = "run.start_at=2026-06-01T23:30:00Z"
STREET = "footfall.source=scene:sky=1;seconds=300;fps=3;people=20"


@pytest.mark.parametrize("works", [True, False], ids=["lamp burns", "lamp is out"])
def test_an_unlit_street_is_dark_with_nulls_and_a_lit_one_is_counted(
    server: FakeServer, node_file: Path, works: bool
) -> None:
    options = sets(
        NIGHT, STREET, "windows.footfall_s=300", "latitude_deg=52.5", "longitude_deg=13.4",
        f"light.lamp_works={str(works).lower()}",
    )  # fmt: skip
    code, said = finish(start(node_file, "--fast", "--once", *options), timeout_s=180)
    assert code == 0, said
    (window,) = stored(server, Stream.FOOTFALL)
    (line,) = window["lines"]
    if works:
        assert "DARK" not in window["flags"]
        assert window["valid_s"] > 250
        assert line["a_to_b"] + line["b_to_a"] > 0
    else:
        assert "DARK" in window["flags"]
        assert (window["valid_s"], line["a_to_b"], line["b_to_a"]) == (0, None, None)
