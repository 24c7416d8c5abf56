"""The file of channels: what it may hold, and refusals that never quote an address."""

from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from server.notify.channels import NotifyError, Quiet, read_channels
from server.notify.quiet_hours import sayable_at
from server.settings import Settings
from server.work.tasks import tasks

GOOD = """
silent_after_min = 90
[quiet]
from = 22:00:00
to = 06:00:00
[[channel]]
name = "duty"
url_file = "URL"
about = ["lamp"]
[[channel]]
name = "head"
url_file = "URL"
after_h = 24
"""
BERLIN, CHATHAM = ZoneInfo("Europe/Berlin"), ZoneInfo("Pacific/Chatham")


def test_channels_are_read_and_the_worker_has_the_task(tmp_path: Path) -> None:
    file = tmp_path / "notify.toml"
    file.write_text(GOOD)
    found = read_channels(file)
    assert [c.name for c in found.channel] == ["duty", "head"]
    assert found.quiet == Quiet(time(22), time(6))
    assert found.channel[0].wants("lamp", "park")
    assert not found.channel[0].wants("node", "park")
    assert "notify" in [task.name for task in tasks(Settings(notify_file=str(file)))]
    assert "notify" not in [task.name for task in tasks(Settings())]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace('"head"', '"duty"'), "two channels have one name"),
        (GOOD.replace("after_h", "after_hours"), "after_hours"),
        (GOOD.replace('["lamp"]', '["people"]'), "people"),
        ("[[channel]", "notify.toml"),
    ],
)
def test_a_bad_file_is_named_with_its_field(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "notify.toml"
    file.write_text(text)
    with pytest.raises(NotifyError, match=said):
        read_channels(file)


def test_an_address_file_without_an_address_is_refused_without_quoting_it(tmp_path: Path) -> None:
    (tmp_path / "URL").write_text("hunter2")
    file = tmp_path / "notify.toml"
    file.write_text(GOOD.replace("URL", str(tmp_path / "URL")))
    with pytest.raises(NotifyError, match="holds no address") as refused:
        read_channels(file).channel[0].url()
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("at", "quiet", "zone", "expected"),
    [
        ("2026-03-10T21:00Z", (22, 6), BERLIN, "2026-03-11T05:00Z"),
        ("2026-03-10T04:59Z", (22, 6), BERLIN, "2026-03-10T05:00Z"),
        ("2026-03-10T05:00Z", (22, 6), BERLIN, "2026-03-10T05:00Z"),
        ("2026-03-10T20:59Z", (22, 6), BERLIN, "2026-03-10T20:59Z"),
        # The night in which clocks go forward is an hour shorter.
        ("2026-03-28T22:00Z", (22, 6), BERLIN, "2026-03-29T04:00Z"),
        ("2026-03-10T12:30Z", (13, 14), BERLIN, "2026-03-10T13:00Z"),
        ("2026-06-10T10:00Z", (22, 6), CHATHAM, "2026-06-10T17:15Z"),
    ],
)
def test_quiet_hours_are_the_sites(
    at: str, quiet: tuple[int, int], zone: ZoneInfo, expected: str
) -> None:
    begin, to = (time(hour) for hour in quiet)
    moment = datetime.fromisoformat(at)
    assert sayable_at(moment, Quiet(begin, to), zone, urgent=False) == datetime.fromisoformat(
        expected
    )
    assert sayable_at(moment, Quiet(begin, to), zone, urgent=True) == moment
    assert sayable_at(moment, None, zone, urgent=False) == moment.astimezone(UTC)
