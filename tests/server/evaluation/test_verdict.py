"""Grade and wording: computed from the design, and never more than it allows."""

from typing import Any

import numpy as np
import pytest

from server.evaluation.grade import Design, maryland_grade
from server.evaluation.multiplicity import benjamini_hochberg, holm
from server.evaluation.results import Estimate, Grade
from server.evaluation.verdict import verdict


def many(**more: Any) -> Design:
    return Design(treated_sites=5, control_sites=8, pretrend_tested=True, **more)


@pytest.mark.parametrize(
    ("design", "level"),
    [
        (Design(treated_sites=5, control_sites=8, has_before=False), 1),
        (Design(treated_sites=5, control_sites=8, break_in_window=True), 1),
        (Design(treated_sites=1, control_sites=0), 2),
        (Design(treated_sites=1, control_sites=1), 3),
        (Design(treated_sites=1, control_sites=9), 3),
        (Design(treated_sites=5, control_sites=8), 3),
        (many(), 4),
        (many(pretrend_differs=True), 2),
        (many(controls_named_before=False), 2),
        (many(randomised_seed=7), 5),
        (many(randomised_seed=7, pretrend_differs=True), 2),
    ],
    ids=str,
)
def test_grade_follows_from_the_design(design: Design, level: int) -> None:
    grade = maryland_grade(design)
    assert grade.level == level
    assert grade.reasons


ROW = Estimate(name="rirr", value=0.8, unit="ratio", low=0.6, high=1.05)


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
def test_what_could_be_chance_is_inconclusive(level: int) -> None:
    outcome, sentence = verdict(ROW, p=0.1, alpha=0.05, grade=Grade(level=level, reasons=["x"]))
    assert outcome == "inconclusive"
    assert sentence.startswith("Inconclusive: the outcome: -20.0 % (-40.0 % to +5.0 %)")
    assert "no effect" not in sentence


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (1, "was seen together with"),
        (2, "is associated with"),
        (3, "is consistent with an effect of"),
        (4, "is consistent with an effect of"),
        (5, "was caused by"),
    ],
)
def test_the_claim_is_tied_to_the_grade(level: int, words: str) -> None:
    outcome, sentence = verdict(ROW, p=0.01, alpha=0.05, grade=Grade(level=level, reasons=["x"]))
    assert outcome == "change"
    assert f"{words} the intervention" in sentence


def test_a_p_that_is_not_there_proves_nothing() -> None:
    outcome, _ = verdict(ROW, p=None, alpha=0.05, grade=Grade(level=5, reasons=["x"]))
    assert outcome == "inconclusive"


def test_holm_and_benjamini_hochberg_agree_with_statsmodels() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005, 0.5])
    assert holm(p) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.5])
    assert benjamini_hochberg(p) == pytest.approx([0.025, 0.05, 0.05, 0.025, 0.5])


def test_a_refused_question_is_not_counted() -> None:
    p = np.array([0.01, np.nan, 0.03])
    assert holm(p)[[0, 2]] == pytest.approx(holm(p[[0, 2]]))
    assert np.isnan(holm(p)[1])
