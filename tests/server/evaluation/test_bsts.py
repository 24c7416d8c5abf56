"""The structural model: what was put in comes out, holes stay holes, seeds repeat."""

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from server.evaluation.bsts import (
    CAUSAL_IMPACT_SD,
    BstsRequest,
    bsts,
    bsts_and_causal_impact,
)
from server.evaluation.results import Estimate, Result

Array = NDArray[np.float64]


def world(effect: float, seed: int = 1, n: int = 100) -> tuple[Array, dict[str, Array]]:
    rng = np.random.default_rng(seed)
    x = {f"x{i}": 10 + rng.normal(0, 1, n).cumsum() * 0.5 for i in range(6)}
    y = 20 + 1.5 * x["x0"] + rng.normal(0, 1, n)
    y[70:] += effect
    return y, x


def ask(y: Array, x: dict[str, Array], seed: int = 1, season: int = 0) -> Result:
    return bsts(
        BstsRequest(time=np.arange(1.0, len(y) + 1), y=y, controls=x, start=71.0, draws=600,
                    seed=seed, season=season)
    )  # fmt: skip


def named(result: Result, name: str) -> Estimate:
    return next(row for row in result.estimates if row.name == name)


def test_the_effect_put_in_lies_in_the_interval() -> None:
    result = ask(*world(5.0))
    headline = result.estimates[0]
    assert (headline.low or 0) < 5.0 < (headline.high or 0)
    assert (headline.high or 0) - (headline.low or 0) < 4
    assert result.outcome == "change"
    total, mean = named(result, "sum_of_effects").value, headline.value
    assert total == pytest.approx(30 * (mean or 0))


def test_nothing_done_is_inconclusive() -> None:
    result = ask(*world(0.0))
    assert result.outcome == "inconclusive"
    assert (result.estimates[0].low or 0) < 0 < (result.estimates[0].high or 0)


def test_controls_that_do_not_help_drop_out() -> None:
    y, x = world(0.0)
    noise = np.random.default_rng(9).normal(0, 1, (5, 100))
    x |= {f"x{i + 1}": noise[i] for i in range(5)}
    inclusion = ask(y, x).diagnostics["inclusion"]
    assert isinstance(inclusion, dict)
    shares = {name: float(share) for name, share in inclusion.items()}  # type: ignore[arg-type]
    assert shares["x0"] > 0.99
    assert max(shares[f"x{i}"] for i in range(1, 6)) < 0.6


def test_same_seed_same_numbers_other_seed_near() -> None:
    y, x = world(5.0)
    one, again, other = ask(y, x), ask(y, x), ask(y, x, seed=2)
    assert one == again
    assert one.estimates[0].value != other.estimates[0].value
    assert one.estimates[0].value == pytest.approx(other.estimates[0].value, abs=0.2)


def test_an_effect_added_after_moves_the_answer_by_just_that() -> None:
    y, x = world(0.0)
    shifted = y.copy()
    shifted[70:] += 3.0
    gap = (ask(shifted, x).estimates[0].value or 0) - (ask(y, x).estimates[0].value or 0)
    assert gap == pytest.approx(3.0)


def test_an_unobserved_outcome_is_bridged_not_zero() -> None:
    y, x = world(5.0)
    y[[5, 6, 80]] = np.nan
    result = ask(y, x)
    assert result.estimates[0].value == pytest.approx(5.0, abs=1.5)
    assert any("3 points without a measurement" in warning for warning in result.warnings)


def test_a_control_with_holes_is_refused() -> None:
    y, x = world(5.0)
    x["x3"][50] = np.nan
    assert ask(y, x).refusal is not None
    assert "control x3 has holes" in (ask(y, x).refusal or "")


def test_a_dead_sensor_is_refused() -> None:
    y, x = world(5.0)
    y[:70] = 0.0
    assert "never moved" in (ask(y, x).refusal or "")


def test_a_weekly_season_does_not_count_as_an_effect() -> None:
    y, x = world(0.0)
    y = y + 6 * (np.arange(100) % 7 == 2)
    with_season = ask(y, x, season=7).estimates[0]
    without = ask(y, x).estimates[0]
    width = (with_season.high or 0) - (with_season.low or 0)
    assert width < (without.high or 0) - (without.low or 0)
    assert (with_season.low or 0) < 0 < (with_season.high or 0)


def test_no_control_at_all_says_so() -> None:
    y, _ = world(5.0)
    assert any("no control series" in warning for warning in ask(y, {}).warnings)


def test_a_wandering_level_widens_the_interval_by_itself() -> None:
    rng = np.random.default_rng(4)
    noise, walk = rng.normal(0, 1, 100), np.cumsum(rng.normal(0, 0.5, 100))

    def width(y: Array, level_sd: float | None) -> float:
        row = bsts(
            BstsRequest(time=np.arange(100.0), y=y, controls={}, start=70.0, draws=300,
                        level_sd=level_sd)
        ).estimates[0]  # fmt: skip
        return (row.high or 0) - (row.low or 0)

    still, wandering = width(noise, None), width(noise + walk, None)
    assert wandering > 2 * still
    assert wandering > 2 * width(noise + walk, 0.01)


def test_causal_impact_stands_beside_and_can_be_asked_for() -> None:
    y, x = world(5.0)
    request = BstsRequest(time=np.arange(1.0, 101), y=y, controls=x, start=71.0, draws=300)
    both = bsts_and_causal_impact(request)
    asked = bsts_and_causal_impact(msgspec.structs.replace(request, level_sd=CAUSAL_IMPACT_SD))
    beside = both.sensitivity[0]
    assert (beside.name, beside.model) == ("mean_effect_after", "CausalImpact's priors")
    assert beside.value == asked.estimates[0].value
    assert any("--level-sd" in warning for warning in asked.warnings)


def test_a_short_course_before_is_said_to_be_too_sure() -> None:
    y, x = world(5.0)
    short = {name: column[50:] for name, column in x.items()}
    assert any(
        "too narrow" in warning.replace("\n", " ")
        for warning in bsts(
            BstsRequest(time=np.arange(50.0), y=y[50:], controls=short, start=20.0, draws=300)
        ).warnings
    )
    assert not any("too narrow" in warning for warning in ask(y, x).warnings)
