"""Surveys, clock changes, sound levels: ordinal answers, daylight odds, energy averages."""

import numpy as np
import pytest

from server.evaluation.clock_change import ClockEvent, clock_event, pooled
from server.evaluation.count_table import Cells
from server.evaluation.errors import BadRequest
from server.evaluation.sound_levels import energy_mean_db
from server.evaluation.survey import (
    SurveyRequest,
    kish_design_effect,
    proportional_odds,
    survey_did,
)

# control before, control after, treated before, treated after; five ranks
ANSWERS = np.array(
    [[20, 30, 25, 15, 10], [15, 25, 30, 20, 10], [25, 30, 20, 15, 10], [10, 20, 25, 25, 20]]
)


def request(weight: float = 1.0, design_effect: float | None = None) -> SurveyRequest:
    rows = [(k + 1.0, g) for g in range(4) for k in range(5) for _ in range(ANSWERS[g, k])]
    group = np.array([g for _, g in rows])
    return SurveyRequest(
        answer=np.array([k for k, _ in rows]), treated=(group // 2).astype(float),
        after=(group % 2).astype(float), threshold=4.0, weight=np.full(len(rows), weight),
        design_effect=design_effect,
    )  # fmt: skip


def test_proportional_odds_agree_with_statsmodels() -> None:
    beta, cov = proportional_odds(ANSWERS.astype(float))
    assert beta == pytest.approx([0.30275002, -0.17069718, 0.72303788], abs=1e-5)
    # by its optimiser's observed information there, by the expected here
    assert np.sqrt(cov[2, 2]) == pytest.approx(0.35719695, rel=1e-3)


def test_shares_are_compared_beside_the_odds() -> None:
    row = survey_did(request()).estimates[1]
    assert row.value == pytest.approx((0.45 - 0.25) - (0.30 - 0.25))


def test_the_design_effect_widens_by_its_root() -> None:
    plain, clustered = survey_did(request()), survey_did(request(design_effect=4.0))
    assert clustered.estimates[0].se == pytest.approx(2 * (plain.estimates[0].se or 0))
    assert clustered.estimates[0].value == plain.estimates[0].value


def test_weights_all_alike_change_nothing() -> None:
    assert survey_did(request(weight=3.0)).estimates == survey_did(request()).estimates
    assert kish_design_effect(np.array([1.0, 1, 1, 3])) == pytest.approx(4 * 12 / 36)


def test_few_answers_are_refused() -> None:
    full = request()
    keep = np.arange(len(full.answer)) < 320
    few = SurveyRequest(answer=full.answer[keep], treated=full.treated[keep],
                        after=full.after[keep], threshold=4.0)  # fmt: skip
    assert "20 answers in one of the four groups" in (survey_did(few).refusal or "")


def test_no_answer_is_counted_not_ranked() -> None:
    full = request()
    answer = full.answer.copy()
    answer[:3] = np.nan
    result = survey_did(SurveyRequest(answer=answer, treated=full.treated, after=full.after,
                                      threshold=4.0))  # fmt: skip
    assert result.n == 397
    assert result.diagnostics["no_answer"] == 3


def test_daylight_odds_come_from_case_and_control_hours() -> None:
    day = np.repeat(np.arange(-14, 15), 24).astype(float)
    hour = np.tile(np.arange(24), 29).astype(float)
    counts = np.full(len(day), 100.0)
    counts[(hour == 19) & (day > 0)] = 130.0
    counts[day == 0] = 1e6
    event = clock_event(day, hour, counts, case_hour=19, control_hours=[13, 14], brighter="after")
    assert np.exp(event.log_odds_ratio()[0]) == pytest.approx(1.3)


def test_an_unobserved_hour_is_exposure_not_zero() -> None:
    day = np.repeat(np.arange(-13, 14), 24).astype(float)
    hour = np.tile(np.arange(24), 27).astype(float)
    counts = np.full(len(day), 100.0)
    counts[(hour == 19) & (day > 8)] = np.nan
    event = clock_event(day, hour, counts, case_hour=19, control_hours=[13], brighter="after")
    assert event.log_odds_ratio()[0] == pytest.approx(0.0)


def test_a_clock_change_without_hours_is_named() -> None:
    with pytest.raises(BadRequest, match="no observed hours"):
        clock_event(np.array([1.0]), np.array([19.0]), np.array([5.0]), case_hour=19,
                    control_hours=[13], brighter="after")  # fmt: skip


def test_changes_are_pooled_by_their_own_spread() -> None:
    events = [ClockEvent(Cells(100, after), Cells(100, 100)) for after in (105, 110, 120, 108)]
    row = pooled(events)
    logs = np.log([1.05, 1.10, 1.20, 1.08])
    assert row.value == pytest.approx(np.exp(logs.mean()))
    assert row.se == pytest.approx(logs.std(ddof=1) / 2)
    assert pooled(events[:1]).low is None


def test_levels_are_averaged_as_energy() -> None:
    assert energy_mean_db(np.array([60.0, 70.0])) == pytest.approx(67.4036, abs=1e-4)
    assert energy_mean_db(np.array([60.0, np.nan])) == pytest.approx(60.0)
    assert np.isnan(energy_mean_db(np.array([np.nan])))
    assert energy_mean_db(np.array([60.0, 70.0]), np.array([9.0, 1.0])) == pytest.approx(
        62.788, abs=1e-3
    )
