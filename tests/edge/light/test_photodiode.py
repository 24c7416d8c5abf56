import pytest
from gpiozero.pins.mock import MockFactory

from edge.errors import SensorError
from edge.sensors.light.photodiode import PhotodiodeSwitch, open_mcp3008


class FakeAdc:
    raw_value = 0


def test_light_is_seen_with_hysteresis() -> None:
    adc = FakeAdc()
    switch = PhotodiodeSwitch(adc, on_counts=60, off_counts=30)
    seen = []
    for adc.raw_value in (0, 45, 60, 45, 31, 30, 45):
        seen.append(switch.read_is_light())
    assert seen == [False, False, True, True, True, False, False]


def test_thresholds_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValueError, match="off_counts 60 must lie below on_counts 30"):
        PhotodiodeSwitch(FakeAdc(), on_counts=30, off_counts=60)


def test_software_spi_is_refused() -> None:
    # The mock factory has no spidev behind it, as a Pi without dtparam=spi=on.
    factory = MockFactory()
    try:
        with pytest.raises(SensorError, match="no hardware SPI"):
            open_mcp3008(0, pin_factory=factory)
    finally:
        factory.reset()
