"""What every light sensor must do, each driver against its emulated part."""

import errno
from typing import Any

import numpy as np
import pytest

from edge.errors import BusError

# One count of the finest range, and up to where the part reads true, in lx.
FINEST_LX = {"opt3001": 0.01, "veml7700": 0.0042, "bh1750": 0.114}
TOP_LX = {"opt3001": 83_865.6, "veml7700": 100_000.0, "bh1750": 54_612.5}


def range_edges_lx(name: str) -> list[float]:
    """Every illuminance at which the part or its driver changes range."""
    if name == "opt3001":
        return [40.95 * 2**exponent for exponent in range(12)]
    if name == "veml7700":
        finest, coarser = 0.0042, (0.0336, 0.2688, 0.5376)
        return [
            *(52_000 * res for res in (finest, *coarser[:1])),
            *(32_000 * res for res in (finest, *coarser[:2])),
            *(65_535 * res for res in (finest, coarser[0])),
            1000.0,
        ]
    return [5_000.0, 65_535 * 0.11319, 54_612.0]


def assert_true(name: str, read_lx: float, lux: float) -> None:
    """Within one count and what the range's resolution costs; VEML7700 also its maker's step."""
    share = 0.075 if name == "veml7700" and 900 < lux < 1100 else 0.004
    allowed = FINEST_LX[name] + share * lux
    assert abs(read_lx - lux) <= allowed, f"{name} read {read_lx} lx in {lux} lx"


def read_thrice(bench: Any) -> None:
    """Some parts need fewer transfers a reading than a test cuts after."""
    for _ in range(3):
        bench.sensor.read()


def test_reading_rises_from_0_05_to_100000_lx(bench: Any) -> None:
    lux = np.geomspace(0.05, 100_000, 400)
    read = [bench.read_lux(float(value)) for value in lux]
    assert np.all(np.diff(read) >= 0)
    for true_lx, read_lx in zip(lux, read, strict=True):
        if true_lx < TOP_LX[bench.sensor.name]:
            assert_true(bench.sensor.name, read_lx, float(true_lx))


def test_reading_falls_from_100000_to_0_05_lx(bench: Any) -> None:
    read = [bench.read_lux(float(value)) for value in np.geomspace(100_000, 0.05, 200)]
    assert np.all(np.diff(read) <= 0)


def test_every_range_edge_reads_true_on_both_sides_and_both_ways(bench: Any) -> None:
    name = bench.sensor.name
    for edge_lx in range_edges_lx(name):
        for lux in (0.98 * edge_lx, edge_lx, 1.02 * edge_lx, edge_lx, 0.98 * edge_lx):
            if lux < TOP_LX[name]:
                assert_true(name, bench.read_lux(lux), lux)


def test_dark_bright_dark_comes_back_true_at_the_first_reading(bench: Any) -> None:
    name = bench.sensor.name
    for lux in (0.5, 40_000.0, 0.5, 15.0, 40_000.0, 15.0, 0.5):
        assert_true(name, bench.read_lux(lux), lux)


def test_too_bright_is_saturated_and_at_the_top(bench: Any) -> None:
    bench.lux = 180_000.0
    sample = bench.sensor.read()
    assert sample.saturated
    assert sample.lux == pytest.approx(sample.full_scale_lx, rel=0.001)
    bench.lux = 10.0
    assert not bench.sensor.read().saturated


def test_dim_light_is_near_the_floor_and_street_light_is_not(bench: Any) -> None:
    bench.lux = 0.05
    assert bench.sensor.read().near_floor
    bench.lux = 7.5
    assert not bench.sensor.read().near_floor


def test_every_reading_integrates_100_ms_at_least(bench: Any) -> None:
    for lux in (0.5, 500.0, 50_000.0):
        bench.lux = lux
        assert bench.sensor.read().integration_ms >= 100


def test_absent_part_is_a_bus_error_that_names_part_and_address(bench: Any) -> None:
    bench.bus.unplug(bench.address)
    with pytest.raises(BusError, match=rf"{bench.sensor.name.upper()} at 0x{bench.address:02x}"):
        bench.sensor.read()


def test_bus_error_carries_the_kernels_number_and_the_sensors_state(bench: Any) -> None:
    bench.bus.unplug(bench.address)
    with pytest.raises(BusError) as caught:
        bench.sensor.read()
    assert caught.value.errno == errno.EREMOTEIO
    assert caught.value.state == "bus_error"
    assert "EREMOTEIO" in str(caught.value)


@pytest.mark.parametrize("transfers_n", range(4))
def test_unplugged_in_mid_reading_is_an_error_and_plugged_again_it_reads(
    bench: Any, transfers_n: int
) -> None:
    bench.read_lux(20.0)
    bench.bus.unplug_after(bench.address, transfers_n)
    with pytest.raises(BusError):
        read_thrice(bench)
    bench.bus.plug(bench.address, bench.part)
    assert_true(bench.sensor.name, bench.read_lux(3.0), 3.0)


def test_power_lost_between_two_readings_never_reads_as_darkness(bench: Any) -> None:
    bench.read_lux(20.0)
    bench.bus.plug(bench.address, bench.part)  # comes up from scratch, nobody saw it go
    assert_true(bench.sensor.name, bench.read_lux(20.0), 20.0)
