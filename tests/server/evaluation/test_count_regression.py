"""Count regression against statsmodels 0.15 (stored)."""

import numpy as np
import pytest
from numpy.typing import NDArray

from server.evaluation.count_regression import negative_binomial, poisson, quasi_binomial
from server.evaluation.errors import BadRequest

Array = NDArray[np.float64]


def test_poisson_agrees_with_statsmodels(wobble: Array, step_design: Array) -> None:
    t, x = np.arange(48), step_design[:, :3]
    counts = np.floor(np.exp(3 + 0.01 * t - 0.3 * x[:, 2] + 0.4 * wobble))
    fit = poisson(counts, x, np.log(1.0 + t % 3))
    assert fit.beta == pytest.approx([2.4398632, 0.00449606, -0.22268104], rel=1e-6)
    assert np.sqrt(np.diag(fit.cov)) == pytest.approx([0.066976, 0.00436409, 0.12092054], rel=1e-5)
    assert fit.phi == pytest.approx(7.302287561947725, rel=1e-8)
    assert fit.deviance == pytest.approx(276.93251026840056, rel=1e-8)


def test_negative_binomial_agrees_with_statsmodels(wobble: Array, step_design: Array) -> None:
    t, x = np.arange(48), step_design[:, :3]
    counts = np.floor(np.exp(3 + 0.01 * t - 0.3 * x[:, 2] + 1.2 * wobble))
    fit = negative_binomial(counts, x, np.zeros(48))
    assert fit.beta == pytest.approx([3.33768872, 0.01261475, -0.46831864], rel=1e-4)
    assert fit.alpha == pytest.approx(0.39680325, rel=1e-3)


def test_counts_as_regular_as_poisson_get_no_extra_variance(step_design: Array) -> None:
    counts = np.full(48, 20.0)
    assert negative_binomial(counts, step_design[:, :1], np.zeros(48)).alpha == 0.0


def test_what_moves_both_series_cancels(step_design: Array, wobble: Array) -> None:
    shock = np.exp(3 * wobble)
    control = np.round(400 * shock)
    treated = np.round(200 * shock * np.exp(0.3 * step_design[:, 2]))
    fit = quasi_binomial(treated, control, step_design[:, [0, 2]], np.zeros(48))
    assert fit.beta[1] == pytest.approx(0.3, abs=0.01)
    assert fit.phi < 0.1


def test_exposure_scales_the_rate(wobble: Array) -> None:
    counts = np.round(50 + 10 * wobble)
    one = poisson(counts, np.ones((48, 1)), np.zeros(48))
    twice = poisson(counts, np.ones((48, 1)), np.full(48, np.log(2.0)))
    assert one.beta[0] - twice.beta[0] == pytest.approx(np.log(2))


def test_negative_counts_are_refused() -> None:
    with pytest.raises(BadRequest, match="counts can't be negative"):
        poisson(np.array([1.0, -1.0]), np.ones((2, 1)), np.zeros(2))
