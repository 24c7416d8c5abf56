"""A pilot from one file: all of it or nothing, and nothing the second time."""

import json
from pathlib import Path

import psycopg
import pytest

from server.registry.errors import RegistryError
from tests.server.registry.conftest import Msl

pytestmark = pytest.mark.db

PILOT = """
[[lab]]
lab_id = "nord"
name = "Lab Nord"

[[site]]
site_id = "park"
lab_id = "nord"
name = "Park"
tz = "Europe/Berlin"
latitude = 52.5
longitude = 13.4
cordon = true

[[node]]
node_id = "lamp-01"
lab_id = "nord"
simulated = true

[[deployment]]
node_id = "lamp-01"
site_id = "park"
from_t = 2025-06-01T08:00:00+02:00
height_m = 4.5

[[calibration]]
node_id = "lamp-01"
quantity = "light"
from_t = 2025-06-01T08:00:00+02:00
gain = 1.1
reference = "meter 7"

[[exclusion]]
site_id = "park"
from_t = 2025-07-01T08:00:00+02:00
to_t = 2025-07-01T22:00:00+02:00
reason = "market day"

[[intervention]]
intervention_id = "led"
lab_id = "nord"
title = "LED in the park"
kind = "lighting"
planned_on = 2025-08-01
arms = { treated = ["park"] }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pilot.toml"
    path.write_text(PILOT)
    return path


def test_the_second_load_changes_nothing(msl: Msl, file: Path, api: psycopg.Connection) -> None:
    first = json.loads(msl("registry", "load", str(file), "--json").stdout)
    assert first["changed"] == {
        "lab": 1, "site": 1, "node": 1, "deployment": 1, "calibration": 1, "exclusion": 1,
        "intervention": 1,
    }  # fmt: skip
    audited = api.execute("SELECT count(*) FROM audit").fetchone()
    second = json.loads(msl("registry", "load", str(file), "--json").stdout)
    assert second == {"changed": {}, "unchanged_n": 7}
    assert api.execute("SELECT count(*) FROM audit").fetchone() == audited
    created = api.execute("SELECT created_at::text FROM node").fetchone()
    assert created == ("2025-06-01 06:00:00+00",)


def test_a_changed_place_is_changed(msl: Msl, file: Path) -> None:
    msl("registry", "load", str(file))
    file.write_text(PILOT.replace("height_m = 4.5", "height_m = 6.0"))
    assert "changed: 1 deployment" in msl("registry", "load", str(file)).stdout


def test_a_dated_row_is_not_rewritten(msl: Msl, file: Path) -> None:
    msl("registry", "load", str(file))
    file.write_text(PILOT.replace("gain = 1.1", "gain = 1.2"))
    refusal = msl("registry", "load", str(file)).exception
    assert isinstance(refusal, RegistryError)
    assert "is there with gain 1.1; dated rows are not rewritten" in str(refusal)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("simulated = true", "simulatd = true", "Object contains unknown field `simulatd`"),
        ('tz = "Europe/Berlin"', 'tz = "Mars/Base"', "'Mars/Base' is not a time zone"),
        ('site_id = "park"\nfrom_t = 2025-06', 'site_id = "pork"\nfrom_t = 2025-06',
         "no site 'pork'; did you mean park?"),
        ("+02:00\nheight", "\nheight", "Expected `datetime` with a timezone"),
    ],
    ids=["unknown field", "zone", "site", "time"],
)  # fmt: skip
def test_a_bad_file_changes_nothing(
    msl: Msl, file: Path, api: psycopg.Connection, old: str, new: str, message: str
) -> None:
    assert old in PILOT
    file.write_text(PILOT.replace(old, new))
    refusal = msl("registry", "load", str(file)).exception
    assert isinstance(refusal, RegistryError)
    assert message in str(refusal)
    assert api.execute("SELECT count(*) FROM lab").fetchone() == (0,)
