"""Least squares with memory, against statsmodels 0.15 (stored) and against dense algebra."""

import numpy as np
import pytest
from numpy.typing import NDArray

from server.evaluation import latent_ar1, linear
from server.evaluation.errors import BadRequest

Array = NDArray[np.float64]


def test_ar1_maximum_likelihood_agrees_with_sarimax(step_series: Array, step_design: Array) -> None:
    fit = linear.ar1_max_likelihood(step_series, step_design)
    # statsmodels SARIMAX(1, 0, 0) with exog: coefficients, then ar.L1
    expected = [10.80825376, 0.01582965, 1.04846023, 0.09805368]
    # its optimiser stops a little early
    assert fit.beta == pytest.approx(expected, abs=1e-3)
    assert fit.rho == pytest.approx(0.80410747, abs=1e-3)


def test_ols_and_newey_west_agree_with_statsmodels(step_series: Array, step_design: Array) -> None:
    fit = linear.ols(step_series, step_design)
    assert fit.beta == pytest.approx([10.43346852, 0.05318664, 0.39757111, 0.06479357], rel=1e-7)
    assert fit.se() == pytest.approx([0.36650771, 0.02730523, 0.5353033, 0.03861543], rel=1e-6)
    hac = np.sqrt(np.diag(linear.newey_west(fit, step_design, 3)))
    assert hac == pytest.approx([0.40878931, 0.02986775, 0.77361368, 0.05208346], rel=1e-6)
    q, p = linear.ljung_box(fit.residuals, 5)
    assert q == pytest.approx(51.043114, rel=1e-6)
    assert p == pytest.approx(8.474609e-10, rel=1e-4)


def test_whitening_across_gaps_is_dense_generalised_least_squares(
    step_series: Array, step_design: Array
) -> None:
    kept = np.array([0, 1, 2, 5, 6, 9, 10, 11, 14, *range(20, 48)])
    y, x, rho = step_series[kept], step_design[kept], 0.55
    omega = rho ** np.abs(kept[:, None] - kept[None, :])
    dense = np.linalg.solve(
        x.T @ np.linalg.solve(omega, x), x.T @ np.linalg.solve(omega, y)
    )  # fmt: skip
    steps = np.diff(kept)
    xw, yw = linear.whiten(x, rho, steps), linear.whiten(y, rho, steps)
    assert np.linalg.lstsq(xw, yw, rcond=None)[0] == pytest.approx(dense, rel=1e-9)


def test_prais_winsten_keeps_the_first_point(step_series: Array, step_design: Array) -> None:
    fit = linear.prais_winsten(step_series, step_design)
    e = fit.residuals
    assert fit.rho == pytest.approx((e[1:] @ e[:-1]) / (e[:-1] @ e[:-1]), abs=1e-4)
    assert len(e) == 48
    assert fit.df == 44


def test_averaging_over_rho_widens_the_interval(step_series: Array, step_design: Array) -> None:
    fit = linear.ar1_max_likelihood(step_series, step_design)
    mixture = linear.ar1_posterior(step_series, step_design).contrast(np.array([0.0, 0, 1, 0]))
    low, high, _ = linear.t_interval(float(fit.beta[2]), float(fit.se()[2]), fit.df, 0.95)
    assert mixture.quantile(0.975) - mixture.quantile(0.025) > high - low
    assert mixture.cdf(mixture.quantile(0.3)) == pytest.approx(0.3, abs=1e-6)
    assert mixture.p(mixture.quantile(0.025)) == pytest.approx(0.05, abs=1e-6)


def test_the_scale_of_a_covariate_does_not_matter(step_series: Array, step_design: Array) -> None:
    scaled = step_design * np.array([1.0, 1e6, 1.0, 1e-6])
    contrast = np.array([0.0, 0, 1, 0])
    one = linear.ar1_posterior(step_series, step_design).contrast(contrast)
    other = linear.ar1_posterior(step_series, scaled).contrast(contrast)
    assert other.quantile(0.975) == pytest.approx(one.quantile(0.975), rel=1e-6)


def test_the_filter_is_dense_generalised_least_squares(
    step_series: Array, step_design: Array
) -> None:
    kept = np.array([0, 1, 2, 5, 6, 9, 10, 11, 14, *range(20, 48)])
    y, x = step_series[kept], step_design[kept]
    rho, share = np.array([0.55]), np.array([0.3])
    white, log_det = latent_ar1._innovations(
        np.column_stack([x, y]), rho, share, np.diff(kept)
    )  # fmt: skip
    omega = 0.7 * 0.55 ** np.abs(kept[:, None] - kept[None, :]) + 0.3 * np.eye(len(kept))
    assert white[0].T @ white[0] == pytest.approx(
        np.column_stack([x, y]).T @ np.linalg.solve(omega, np.column_stack([x, y])), rel=1e-9
    )
    assert log_det[0] == pytest.approx(np.linalg.slogdet(omega)[1], rel=1e-9)


def test_collinear_terms_are_refused(step_series: Array, step_design: Array) -> None:
    with pytest.raises(BadRequest, match="can't be told apart"):
        linear.ols(step_series, np.column_stack([step_design, step_design[:, 1] * 2]))


def test_more_terms_than_points_are_refused() -> None:
    with pytest.raises(BadRequest, match="3 points can't carry 3 coefficients"):
        linear.ols(np.ones(3), np.eye(3))
