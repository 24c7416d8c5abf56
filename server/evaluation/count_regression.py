"""Regression for counts with exposure: Poisson, quasi-Poisson, negative binomial, and AR(1) errors.

Exposure enters as log offset; a period that was never observed has no row, and no exposure of 0.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from server.evaluation.errors import BadRequest
from server.evaluation.latent_ar1 import latent_ar1_posterior
from server.evaluation.linear import Ar1Posterior, Array, ols, sandwich


class CountFit(msgspec.Struct, frozen=True, kw_only=True):
    """Coefficients on the log (or logit) scale and what the last reweighting step saw.

    `cov` takes dispersion 1; `phi` is Pearson's chi2 / df. `working` (n,) is the response made
    linear (without the offset), `weight` (n,) its inverse variance, `pearson` (n,) the residuals.
    """

    beta: Array
    cov: Array
    mu: Array
    weight: Array
    working: Array
    pearson: Array
    phi: float
    df: int
    deviance: float
    alpha: float = 0.0


def poisson(y: Array, x: Array, offset: Array) -> CountFit:
    """Log-linear Poisson regression by iteratively reweighted least squares.

    McCullagh & Nelder 1989, 2.5. `phi` (sum of squared Pearson residuals over n - k) times `cov` is
    the quasi-Poisson covariance (their 4.5).
    """
    return _irls(y, x, offset, alpha=0.0)


def negative_binomial(y: Array, x: Array, offset: Array) -> CountFit:
    """NB2, variance mu + alpha mu^2, alpha by maximum likelihood; inverse information for beta.

    Lawless 1987 (Canadian J Statistics 15:209): alpha and beta are orthogonal, so beta's covariance
    needs nothing of alpha. Counts that don't vary more than Poisson's get alpha 0.
    """

    def minus_log_lik(log_alpha: float) -> float:
        alpha = float(np.exp(log_alpha))
        return -_nb_log_lik(y, _irls(y, x, offset, alpha=alpha).mu, alpha)

    found = optimize.minimize_scalar(
        minus_log_lik, bounds=(-16.0, 4.0), method="bounded", options={"xatol": 1e-7}
    )
    alpha = float(np.exp(found.x))
    return _irls(y, x, offset, alpha=alpha if alpha > 1e-6 else 0.0)


def quasi_binomial(treated: Array, control: Array, x: Array, offset: Array) -> CountFit:
    """The treated series' share of both, logit-linear: ln(mu_treated / mu_control) = offset + x b.

    Given their sum, two Poisson counts are binomial (McCullagh & Nelder 1989, 4.1.2), so whatever
    moves both alike (weather, season) cancels without a model for it.
    """
    total = treated + control
    if np.any(total == 0):
        raise BadRequest("treated and control are both 0 at some time; use longer steps")
    eta = np.log((treated + 0.5) / (control + 0.5))
    ols(eta, x)
    beta = np.zeros(x.shape[1])
    for _ in range(200):
        share = special.expit(np.clip(eta, -30, 30))
        weight = total * share * (1 - share)
        working = eta - offset + (treated - total * share) / weight
        root = np.sqrt(weight)
        new = np.linalg.lstsq(root[:, None] * x, root * working, rcond=None)[0]
        eta = x @ new + offset
        if np.max(np.abs(new - beta)) < 1e-11 * (1 + np.max(np.abs(new))):
            break
        beta = new
    mu = total * share
    pearson = np.asarray((treated - mu) / np.sqrt(weight), dtype=np.float64)
    rest = special.xlogy(treated, treated / mu) + special.xlogy(control, control / (total - mu))
    df = len(treated) - x.shape[1]
    return CountFit(
        beta=new,
        cov=np.linalg.inv((x * weight[:, None]).T @ x),
        mu=mu,
        weight=weight,
        working=working,
        pearson=pearson,
        phi=float(pearson @ pearson) / df,
        df=df,
        deviance=2 * float(np.sum(rest)),
    )


def ar1_counts(fit: CountFit, x: Array, steps: NDArray[np.int64]) -> Ar1Posterior:
    """AR(1) errors for counts: the model made linear at its fit, then regression with memory.

    The working response and weights of the last reweighting step (McCullagh & Nelder 2.5) with an
    AR(1) working correlation of the Pearson residuals, as Zeger 1988 (Biometrika 75:621) does, and
    counting noise beside it; averaged over as `latent_ar1` says. Dispersion is estimated with it.
    """
    root = np.sqrt(fit.weight)
    return latent_ar1_posterior(root * fit.working, root[:, None] * x, steps)


def hac_counts(fit: CountFit, x: Array, lag: int) -> Array:
    """(k, k) Newey-West covariance from the scores."""
    return sandwich(x * (np.sqrt(fit.weight) * fit.pearson)[:, None], fit.cov, lag)


def _irls(y: Array, x: Array, offset: Array, *, alpha: float) -> CountFit:
    if np.any(y < 0):
        raise BadRequest("counts can't be negative; use --family gaussian for other outcomes")
    n, k = x.shape
    eta = np.log(y + 0.5) if alpha or np.any(y == 0) else np.log(y)
    ols(eta, x)  # says so when the columns depend on each other
    beta = np.zeros(k)
    for _ in range(200):
        mu = np.exp(np.clip(eta, -30, 30))
        weight = mu / (1 + alpha * mu)
        root = np.sqrt(weight)
        working = eta - offset + (y - mu) / mu
        new = np.linalg.lstsq(root[:, None] * x, root * working, rcond=None)[0]
        eta = x @ new + offset
        if np.max(np.abs(new - beta)) < 1e-11 * (1 + np.max(np.abs(new))):
            break
        beta = new
    mu = np.exp(np.clip(eta, -30, 30))
    weight = mu / (1 + alpha * mu)
    pearson = np.asarray((y - mu) / np.sqrt(mu * (1 + alpha * mu)), dtype=np.float64)
    deviance = 2 * float(np.sum(special.xlogy(y, y / mu) - (y - mu)))
    return CountFit(
        beta=new,
        cov=np.linalg.inv((x * weight[:, None]).T @ x),
        mu=mu,
        weight=weight,
        working=x @ new + (y - mu) / mu,
        pearson=pearson,
        phi=float(pearson @ pearson) / (n - k),
        df=n - k,
        deviance=deviance,
        alpha=alpha,
    )


def _nb_log_lik(y: Array, mu: Array, alpha: float) -> float:
    size = 1 / alpha
    terms = (
        special.gammaln(y + size)
        - special.gammaln(size)
        - special.gammaln(y + 1)
        - size * np.log1p(alpha * mu)
        + special.xlogy(y, alpha * mu / (1 + alpha * mu))
    )
    return float(np.sum(terms))
