"""Weighting against the analytic design goal and the standard's own table."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from edge.errors import SettingsError
from edge.sensors.noise.weighting import (
    FITTED_ZEROS,
    Curve,
    WeightingFilter,
    c_sections,
    c_to_a_section,
    design_goal_db,
)

# IEC 61672-1:2013, table 3: the A weighting at nominal frequencies, rounded to 0.1 dB there.
TABLE_3_A_DB = {
    10: -70.4, 12.5: -63.4, 16: -56.7, 20: -50.5, 25: -44.7, 31.5: -39.4, 40: -34.6, 50: -30.2,
    63: -26.2, 80: -22.5, 100: -19.1, 125: -16.1, 160: -13.4, 200: -10.9, 250: -8.6, 315: -6.6,
    400: -4.8, 500: -3.2, 630: -1.9, 800: -0.8, 1000: 0.0, 1250: 0.6, 1600: 1.0, 2000: 1.2,
    2500: 1.3, 3150: 1.2, 4000: 1.0, 5000: 0.5, 6300: -0.1, 8000: -1.1, 10000: -2.5,
    12500: -4.3, 16000: -6.6, 20000: -9.3,
}  # fmt: skip


def response_db(
    sample_rate_hz: int, curve: Curve, at_hz: NDArray[np.float64]
) -> NDArray[np.float64]:
    sections = c_sections(sample_rate_hz)
    if curve == "A":
        sections = np.vstack((sections, c_to_a_section(sample_rate_hz)))
    return np.asarray(
        20 * np.log10(np.abs(signal.freqz_sos(sections, at_hz, fs=sample_rate_hz)[1]))
    )


def exact_hz(nominal_hz: float) -> float:
    """The base-ten frequency behind a nominal one, for which the table is computed."""
    return float(1000 * 10 ** (round(10 * np.log10(nominal_hz / 1000)) / 10))


def test_design_goal_is_the_table_of_the_standard() -> None:
    for nominal_hz, table_db in TABLE_3_A_DB.items():
        goal_db = float(design_goal_db(exact_hz(nominal_hz), "A"))
        assert goal_db == pytest.approx(table_db, abs=0.051), nominal_hz


def test_c_design_goal_has_its_known_values() -> None:
    known_db = {31.5: -3.0, 125: -0.2, 1000: 0.0, 8000: -3.0, 16000: -8.5}
    for nominal_hz, table_db in known_db.items():
        assert float(design_goal_db(exact_hz(nominal_hz), "C")) == pytest.approx(table_db, abs=0.06)


@pytest.mark.parametrize("curve", ["A", "C"])
@pytest.mark.parametrize(
    ("sample_rate_hz", "top_hz", "within_db"),
    [
        (48_000, 16_000, 0.025),
        (48_000, 20_000, 0.035),
        (96_000, 20_000, 0.001),
        (44_100, 16_000, 0.065),
        (44_100, 20_000, 0.09),
        (32_000, 15_000, 0.22),
        (24_000, 11_400, 0.17),
        (16_000, 7_600, 0.15),
        (8_000, 3_800, 0.16),
        (88_200, 20_000, 0.01),
        (192_000, 20_000, 0.01),
    ],
)
def test_filter_keeps_to_the_design_goal(
    sample_rate_hz: int, top_hz: float, within_db: float, curve: Curve
) -> None:
    at_hz = np.geomspace(20, top_hz, 2000)
    error_db = response_db(sample_rate_hz, curve, at_hz) - design_goal_db(at_hz, curve)
    assert np.max(np.abs(error_db)) < within_db


@pytest.mark.parametrize("frequency_hz", [31.5, 250.0, 1000.0, 8000.0, 16_000.0])
def test_sine_through_the_stream_comes_out_at_the_design_goal(frequency_hz: float) -> None:
    time_s = np.arange(4 * 48_000) / 48_000
    sine = np.sin(2 * np.pi * frequency_hz * time_s)
    a_weighted, c_weighted = WeightingFilter(48_000).filter(sine)
    for weighted, curve in ((a_weighted, "A"), (c_weighted, "C")):
        settled = weighted[2 * 48_000 :]
        level_db = 10 * np.log10(2 * np.mean(settled**2))
        goal_db = float(design_goal_db(frequency_hz, "A" if curve == "A" else "C"))
        assert level_db == pytest.approx(goal_db, abs=0.05)


def test_constant_offset_makes_no_step() -> None:
    a_weighted, c_weighted = WeightingFilter(48_000).filter(np.full(4800, 0.2))
    assert np.max(np.abs(a_weighted)) < 1e-9
    assert np.max(np.abs(c_weighted)) < 1e-9


@pytest.mark.parametrize("sample_rate_hz", sorted(FITTED_ZEROS))
def test_filters_are_stable(sample_rate_hz: int) -> None:
    sections = np.vstack((c_sections(sample_rate_hz), c_to_a_section(sample_rate_hz)))
    for section in sections:
        assert np.all(np.abs(np.roots(section[3:])) < 1)


def test_unknown_sample_rate_names_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="12345 samples a second; resample to one of 8000"):
        WeightingFilter(12_345)
