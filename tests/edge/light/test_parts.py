"""What is particular to one part."""

from collections.abc import Callable
from typing import Any

import pytest

from edge.errors import SensorError
from edge.sensors.light import opt3001
from edge.sensors.light.veml7700 import RANGES, linearised_lux
from edge.simulate.i2c_light_parts import EmulatedOpt3001, EmulatedVeml7700, veml_linear_lux

BenchOf = Callable[[str], Any]


def test_opt3001_address_with_another_part_is_refused(bench_of: BenchOf) -> None:
    class Sht31(EmulatedOpt3001):
        def read(self, length: int) -> bytes:
            return b"\xbe\xef"

    bench = bench_of("opt3001")
    bench.bus.plug(bench.address, Sht31(lambda utc_s: 5.0, bench.clock))
    with pytest.raises(SensorError, match="0xbeef 0xbeef, not OPT3001"):
        bench.sensor.read()


def test_opt3001_that_never_gets_ready_is_an_error_and_not_the_old_result(
    bench_of: BenchOf,
) -> None:
    class Stuck(EmulatedOpt3001):
        def _advance(self) -> None:
            return

    bench = bench_of("opt3001")
    bench.bus.plug(bench.address, Stuck(lambda utc_s: 5.0, bench.clock))
    with pytest.raises(SensorError, match=r"not ready after 1\.2 s"):
        bench.sensor.read()


def test_opt3001_range_outside_the_datasheet_is_an_error(bench_of: BenchOf) -> None:
    class Noisy(EmulatedOpt3001):
        def read(self, length: int) -> bytes:
            word = super().read(length)
            return b"\xff\xff" if self._pointer == opt3001.RESULT else word

    bench = bench_of("opt3001")
    bench.bus.plug(bench.address, Noisy(lambda utc_s: 5.0, bench.clock))
    with pytest.raises(SensorError, match="range 15"):
        bench.sensor.read()


def test_opt3001_reads_tis_example_words() -> None:
    # SBOS681, examples: 0011 0100 0101 0110 is 88.80 lx, 0111 1000 1001 1010 is 2818.56 lx.
    for word, lux in ((0x3456, 88.80), (0x789A, 2818.56)):
        exponent, mantissa = word >> 12, word & 0xFFF
        assert opt3001.LSB_LX * 2**exponent * mantissa == pytest.approx(lux)


def test_veml7700_resolutions_are_those_of_the_corrected_datasheet() -> None:
    resolutions = [round(used.lx_per_count, 4) for used in RANGES]
    assert resolutions == [0.0042, 0.0336, 0.2688, 0.5376]


def test_veml7700_correction_leaves_light_under_1000_lx_alone() -> None:
    assert linearised_lux(500.0) == 500.0
    # The polynomial by hand: 1203.42 + 300.42... at 10,000 lx of counts.
    assert linearised_lux(10_000.0) == pytest.approx(6_013.5 - 9_392.4 + 8_148.8 + 10_023.0)


def test_veml7700_correction_and_the_parts_own_bend_undo_each_other() -> None:
    for lux in (50.0, 2_000.0, 30_000.0, 110_000.0):
        assert linearised_lux(veml_linear_lux(lux)) == pytest.approx(lux, rel=1e-6)


def test_veml7700_that_waits_only_the_new_time_would_read_the_old_range(bench_of: BenchOf) -> None:
    # The trap that the driver avoids, so that the emulated part is known to have it.
    bench = bench_of("veml7700")
    bench.read_lux(0.5)
    bench.lux = 200.0
    bench.clock.sleep(0.8)
    part: EmulatedVeml7700 = bench.part
    before = bench.bus.read_i2c_block_data(bench.address, 0x04, 2)
    conf = RANGES[1].conf
    bench.bus.write_i2c_block_data(bench.address, 0x00, [conf & 0xFF, conf >> 8])
    bench.clock.sleep(RANGES[1].integration_ms / 1000)
    assert bench.bus.read_i2c_block_data(bench.address, 0x04, 2) == before
    assert part._running != part._config
