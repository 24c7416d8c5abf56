"""Settings: one table, unknown names refused with the nearest known one."""

from pathlib import Path

import pytest

from edge.clock import FastClock
from edge.errors import SettingsError
from edge.feeds.noise import noise_feed
from edge.settings import TABLE, describe, load, render

FILE = """
node_id = "park-1"
[light]
source = "opt3001"
bus = 3
[windows]
light_s = 30
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(FILE)
    return path


def test_command_line_wins_over_file_over_default(file: Path) -> None:
    settings = load(file, ["light.bus=4", "footfall.lines=a:0,0,1,1 b:0,1,1,0"])
    assert settings.text("light.source") == "opt3001"
    assert settings.integer("light.bus") == 4
    assert settings.windows().light_s == 30
    assert settings.windows().noise_s == 60
    assert settings.texts("footfall.lines") == ["a:0,0,1,1", "b:0,1,1,0"]


def test_paths_begin_at_the_settings_file(file: Path, tmp_path: Path) -> None:
    assert load(file, ["broker.ca_file=ca.pem"]).path("broker.ca_file") == tmp_path / "ca.pem"
    assert load(file, ["broker.ca_file=/x/ca.pem"]).path("broker.ca_file") == Path("/x/ca.pem")
    assert load(file).path("broker.ca_file") is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("light.buss=1", "no setting is called 'light.buss'; did you mean light.bus?"),
        ("light.bus=one", "light.bus=one: expected a whole number"),
        ("simulated=yes", "simulated=yes: expected true or false"),
        ("node_id=srv-api", "node_id is 'srv-api'; expected"),
        ("node_id=Park 1", "node_id is 'Park 1'"),
        ("trust_clock=never", "kernel or always"),
        ("spool.limit_bytes=0", "spool.limit_bytes is 0; expected more than 0"),
        ("light.bus", "expected name=value"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_cannot_be_is_refused_by_name(file: Path, override: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message.replace("?", r"\?").replace("*", r"\*")):
        load(file, [override])


def test_wrong_type_in_the_file_names_file_and_setting(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text('node_id = "park-1"\nlight.bus = "1"\n')
    with pytest.raises(SettingsError, match=r"node.toml: light.bus is '1'; expected a whole num"):
        load(path)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("windows.footfall_s=60", "300 s is the least"),
        ("windows.light_s=7", "windows.light_s is 7 s, which doesn't divide a day"),
    ],
)
def test_window_lengths_are_checked(file: Path, override: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(file, [override]).windows()


def test_rendered_settings_are_read_back(tmp_path: Path) -> None:
    values = {s.name: s.default for s in TABLE} | {
        "node_id": "park-1",
        "noise.source": 'wav:odd "name".wav',
    }
    path = tmp_path / "node.toml"
    path.write_text(render(values))
    assert dict(load(path).values) == values


def test_every_setting_is_described() -> None:
    text = describe()
    assert all(setting.name in text and setting.help in text for setting in TABLE)


def test_a_microphone_too_slow_for_a_street_is_refused(file: Path) -> None:
    settings = load(file, ["noise.source=emulated", "noise.sample_rate_hz=16000"])
    with pytest.raises(SettingsError, match="sample_rate_hz is 16000; a street needs 32000"):
        noise_feed(settings, FastClock(start_utc_s=0.0))
