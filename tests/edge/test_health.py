"""What the node says about itself, on boards that have the feature and on those that don't."""

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from gpiozero.pins.mock import MockFactory

from contract.records import HealthRecord
from edge.clock import FastClock, SystemClock
from edge.health import HealthSource
from edge.sensor_states import SensorStates
from edge.sensors.health import board
from edge.sensors.health.clock_state import Timex, chrony_state, clock_state, kernel_state
from edge.sensors.health.link import read_link
from edge.sensors.health.probe import HealthProbe
from edge.sensors.health.programs import ProgramFailed, output_of
from edge.sensors.health.reading import Reading
from edge.spool import Spool
from tests.edge.conftest import SetClock


def test_reading_is_a_value_or_a_reason_and_never_both() -> None:
    with pytest.raises(ValueError, match="give just one"):
        Reading(0.0, "broken")
    with pytest.raises(ValueError, match="give just one"):
        Reading(None)
    assert Reading(0.0).reason is None


def test_temperature_comes_from_the_thermal_file(tmp_path: Path) -> None:
    (tmp_path / "temp").write_text("48312\n")
    reading = board.cpu_temperature_c(MockFactory(), tmp_path / "temp")
    assert reading.value == pytest.approx(48.312)


def test_board_without_thermal_file_says_so(tmp_path: Path) -> None:
    reading = board.cpu_temperature_c(MockFactory(), tmp_path / "temp")
    assert reading.value is None
    assert "this board has no" in (reading.reason or "")


def test_garbled_thermal_file_is_a_reason_and_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "temp").write_text("hot\n")
    assert board.cpu_temperature_c(MockFactory(), tmp_path / "temp").value is None


def saying(text: str, code: int = 0) -> list[str]:
    return [sys.executable, "-c", f"import sys; print({text!r}); sys.exit({code})"]


def test_throttling_is_the_firmwares_bits() -> None:
    reading = board.throttled_bits(saying("throttled=0x50005"))
    assert reading.value == 0x50005
    assert board.throttled_names(0x50005) == ["undervoltage", "throttled"]
    assert board.throttled_bits(saying("throttled=0x0")).value == 0


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["vcgencmd-that-is-not-there"], "is not installed"),
        (saying("VCHI initialization failed", code=255), "VCHI initialization failed"),
        (saying("error=1"), "said 'error=1'"),
    ],
    ids=["absent", "no permission", "other answer"],
)
def test_throttling_that_cant_be_asked_is_a_reason(command: list[str], reason: str) -> None:
    reading = board.throttled_bits(command)
    assert reading.value is None
    assert reason in (reading.reason or "")


def test_program_that_hangs_is_given_up() -> None:
    with pytest.raises(ProgramFailed, match="timed out"):
        output_of([sys.executable, "-c", "import time; time.sleep(30)"], timeout_s=0.2)


def test_disk_of_a_missing_folder_is_a_reason(tmp_path: Path) -> None:
    assert (board.disk_free_bytes(tmp_path).value or 0) > 0
    assert board.disk_free_bytes(tmp_path / "none").value is None


CHRONY = (
    "C0000201,192.0.2.1,3,1790000000.123456789,-0.000412000,0.000031,0.000057,"
    "-12.3,0.001,0.04,0.012,0.0009,64.2,Normal\n"
)


def test_chrony_gives_source_and_offset() -> None:
    state = chrony_state(CHRONY)
    assert state.source.value == "chrony 192.0.2.1"
    assert state.offset_ms.value == pytest.approx(-0.412)


def test_chrony_without_a_source_is_a_reason() -> None:
    state = chrony_state("00000000,,0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,1.0,0.0,Not synchronised")
    assert state.source.value is None
    assert state.offset_ms.value is None


def test_kernel_offset_follows_its_unit() -> None:
    assert kernel_state(Timex(offset=1500, status=0x2001)).offset_ms.value == 0.0015
    assert kernel_state(Timex(offset=1500, status=0x0001)).offset_ms.value == 1.5


def test_unsynchronised_kernel_has_no_offset() -> None:
    state = kernel_state(Timex(offset=0, status=0x0040))
    assert state.offset_ms.value is None
    assert "not synchronised" in (state.offset_ms.reason or "")


def test_clock_state_asks_the_kernel_where_there_is_no_chrony() -> None:
    state = clock_state(["chronyc-that-is-not-there"])
    assert (state.source.value == "kernel") == (state.offset_ms.value is not None)


ROUTES = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"


def route(interface: str, metric: int) -> str:
    return f"{interface}\t00000000\t0101A8C0\t0003\t0\t0\t{metric}\t00000000\t0\t0\t0\n"


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    """/proc and /sys of a board with Ethernet, Wi-Fi and a modem."""
    proc, sys_root = tmp_path / "proc", tmp_path / "sys"
    (proc / "net").mkdir(parents=True)
    for interface, uevent in (("eth0", ""), ("wlan0", "DEVTYPE=wlan"), ("wwan0", "DEVTYPE=wwan")):
        (sys_root / "class/net" / interface).mkdir(parents=True)
        (sys_root / "class/net" / interface / "uevent").write_text(uevent + "\n")
    (proc / "net/wireless").write_text(
        "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n"
        " face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n"
        " wlan0: 0000   58.  -52.  -256        0      0      0      0    120        0\n"
    )
    return proc, sys_root


def test_link_is_that_of_the_cheapest_default_route(roots: tuple[Path, Path]) -> None:
    proc, sys_root = roots
    (proc / "net/route").write_text(ROUTES + route("wlan0", 600) + route("eth0", 100))
    link = read_link(proc, sys_root)
    assert link.kind.value == "ethernet"
    assert link.rssi_dbm.value is None
    assert "not Wi-Fi" in (link.rssi_dbm.reason or "")


def test_wifi_gives_its_signal(roots: tuple[Path, Path]) -> None:
    proc, sys_root = roots
    (proc / "net/route").write_text(ROUTES + route("wlan0", 600))
    link = read_link(proc, sys_root)
    assert (link.kind.value, link.rssi_dbm.value) == ("wifi", -52.0)


def test_modem_is_cellular(roots: tuple[Path, Path]) -> None:
    proc, sys_root = roots
    (proc / "net/route").write_text(ROUTES + route("wwan0", 700))
    assert read_link(proc, sys_root).kind.value == "cellular"


def test_ipv6_route_counts_where_there_is_no_other(roots: tuple[Path, Path]) -> None:
    proc, sys_root = roots
    (proc / "net/route").write_text(ROUTES)
    zeros = "0" * 32
    (proc / "net/ipv6_route").write_text(
        f"{zeros} 00 {zeros} 00 {zeros} ffffffff 00000001 00000000 00200200       lo\n"
        f"{zeros} 00 {zeros} 00 fe80000000000000 00000400 00000001 00000000 00000003    wlan0\n"
    )
    assert read_link(proc, sys_root).kind.value == "wifi"


def test_no_route_is_a_link_of_none(roots: tuple[Path, Path]) -> None:
    proc, sys_root = roots
    (proc / "net/route").write_text(ROUTES)
    link = read_link(proc, sys_root)
    assert (link.kind.value, link.rssi_dbm.value) == ("none", None)


def test_unreadable_routes_are_a_reason(tmp_path: Path) -> None:
    assert "can't read the routes" in (read_link(tmp_path).kind.reason or "")


def test_look_at_this_machine_stands_in_the_contract(tmp_path: Path) -> None:
    health = HealthProbe(SystemClock(), tmp_path, MockFactory()).read()
    fields = {"seq": 1, "t": 1_790_000_000_000, "dur_s": 60.0, "valid_s": 60.0}
    record = msgspec.convert({**fields, **health.record_fields()}, HealthRecord)
    assert record.uptime_s > 0
    empty = {name for name, value in health.record_fields().items() if value is None}
    assert set(health.reasons()) == empty


def test_uptime_is_boot_time(tmp_path: Path) -> None:
    clock = FastClock(start_utc_s=0.0, now_s=1234.56)
    assert HealthProbe(clock, tmp_path).read().record_fields()["uptime_s"] == 1234.6


def test_a_clock_that_nothing_disciplines_is_a_state_with_its_reason(
    open_spool: Callable[..., Spool], clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, str, str | None]] = []
    states = SensorStates(clock, lambda *change: said.append(change))
    monkeypatch.setattr("edge.health.kernel_clock_synced", lambda: False)
    monkeypatch.setattr("edge.health.clock_state", lambda: kernel_state(Timex(status=0x40)))
    source = HealthSource(open_spool(), states, clock, lambda: "online", lambda: 0.25)
    fields = source.fields()
    assert (fields["clock_source"], fields["clock_offset_ms"]) == (None, None)
    assert fields["pir_share"] == 0.25
    clock.in_sync = False
    source.fields()
    assert [(sensor, state) for sensor, state, _ in said] == [
        ("clock", "clock_holdover"),
        ("clock", "clock_unsynced"),
    ]
    assert said[0][2] == "the kernel's clock is not synchronised"
    trusted = HealthSource(source.spool, states, clock,
                           lambda: "online", clock_trusted=True)  # fmt: skip
    trusted.fields()
    assert states.state_of("clock") == ("ok", "another machine keeps it, by trust_clock")
