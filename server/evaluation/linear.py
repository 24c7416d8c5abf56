"""Least squares for one time series: OLS, Newey-West, Prais-Winsten, AR(1) by maximum likelihood.

Series may have gaps: `steps` holds the whole steps between neighbouring points, and errors that
are AR(1) correlate as rho**steps across them, so that nothing has to be filled in.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from server.evaluation.errors import BadRequest

Array = NDArray[np.float64]
# Where the marginal posterior of rho is summed; beyond 0.98 level and trend can't be told apart.
_RHO_GRID = np.linspace(-0.90, 0.98, 95)


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """Coefficients (k,), their covariance (k, k), residual degrees of freedom, residuals (n,)."""

    beta: Array
    cov: Array
    df: float
    residuals: Array
    sigma2: float
    rho: float = 0.0

    def se(self) -> Array:
        """(k,) standard errors."""
        return np.asarray(np.sqrt(np.diag(self.cov)), dtype=np.float64)


def ols(y: Array, x: Array) -> Fit:
    """Ordinary least squares; raises `BadRequest` when columns of `x` (n, k) are collinear."""
    n, k = x.shape
    if n <= k:
        raise BadRequest(f"{n} points can't carry {k} coefficients; drop terms or add points")
    if np.linalg.matrix_rank(x) < k:
        raise BadRequest(
            "terms of the model can't be told apart (collinear); drop a seasonal or a covariate"
        )
    gram_inv = np.linalg.inv(x.T @ x)
    beta = gram_inv @ (x.T @ y)
    residuals = y - x @ beta
    sigma2 = float(residuals @ residuals) / (n - k)
    return Fit(beta=beta, cov=sigma2 * gram_inv, df=n - k, residuals=residuals, sigma2=sigma2)


def newey_west(fit: Fit, x: Array, lag: int) -> Array:
    """(k, k) HAC covariance with Bartlett weights and the factor n/(n-k).

    Newey & West 1987 (Econometrica 55:703); the small-sample factor is the one of Stata's `newey`.
    Too narrow for short series (coverage .74 to .91 for a nominal .95): a sensitivity row only.
    """
    bread = np.asarray(np.linalg.inv(x.T @ x), dtype=np.float64)
    return sandwich(x * fit.residuals[:, None], bread, lag)


def sandwich(scores: Array, bread: Array, lag: int) -> Array:
    """Bread, Bartlett-weighted meat of `scores` (n, k), bread; times n/(n-k)."""
    n, k = scores.shape
    meat = scores.T @ scores
    for j in range(1, min(lag, n - 1) + 1):
        cross = scores[j:].T @ scores[:-j]
        meat += (1 - j / (lag + 1)) * (cross + cross.T)
    return np.asarray(bread @ meat @ bread * n / (n - k), dtype=np.float64)


def hac_lag(n: int) -> int:
    """Newey & West's (1994) rule of thumb, floor(4 (n/100)^(2/9)), at least 1."""
    return max(1, int(4 * (n / 100) ** (2 / 9)))


def whiten(values: Array, rho: float, steps: NDArray[np.int64]) -> Array:
    """Rows made independent, of equal innovation variance, under AR(1) errors.

    Prais & Winsten 1954: the first row times sqrt(1 - rho^2), then v_t - rho^s v_(t-1), where a gap
    of s steps has innovation variance (1 - rho^2s)/(1 - rho^2) instead of 1.
    """
    scale = np.sqrt(1 - rho**2)
    carried = rho**steps
    spread = np.sqrt((1 - carried**2) / (1 - rho**2))
    if values.ndim == 2:
        carried, spread = carried[:, None], spread[:, None]
    rest = (values[1:] - carried * values[:-1]) / spread
    return np.concatenate([values[:1] * scale, rest])


def _log_spread(rho: float, steps: NDArray[np.int64]) -> float:
    return float(0.5 * np.sum(np.log((1 - rho ** (2 * steps)) / (1 - rho**2))))


def _at_rho(y: Array, x: Array, rho: float, steps: NDArray[np.int64]) -> tuple[Fit, float]:
    """GLS for a known rho, and its log-likelihood (without constants)."""
    n, k = x.shape
    xw, yw = whiten(x, rho, steps), whiten(y, rho, steps)
    q, r = np.linalg.qr(xw)
    beta = np.linalg.solve(r, q.T @ yw)
    residuals_w = yw - xw @ beta
    sse = max(float(residuals_w @ residuals_w), 1e-300)
    r_inv = np.linalg.inv(r)
    log_lik = -0.5 * n * np.log(sse / n) + 0.5 * np.log(1 - rho**2) - _log_spread(rho, steps)
    fit = Fit(
        beta=beta,
        cov=sse / (n - k) * (r_inv @ r_inv.T),
        df=n - k,
        residuals=y - x @ beta,
        sigma2=sse / (n - k),
        rho=rho,
    )
    return fit, float(log_lik)


def ar1_max_likelihood(y: Array, x: Array, steps: NDArray[np.int64] | None = None) -> Fit:
    """Regression with AR(1) errors by exact Gaussian maximum likelihood over rho.

    Beach & MacKinnon 1978 (Econometrica 46:51). Variances divide by n - k and are conditional on
    rho, which makes them a little narrow; `ar1_posterior` puts that right.
    """
    steps = _one_step_each(y, steps)
    ols(y, x)  # says so when the columns depend on each other
    found = optimize.minimize_scalar(
        lambda rho: -_at_rho(y, x, float(rho), steps)[1],
        bounds=(-0.98, 0.995),
        method="bounded",
        options={"xatol": 1e-8},
    )
    return _at_rho(y, x, float(found.x), steps)[0]


def prais_winsten(y: Array, x: Array, steps: NDArray[np.int64] | None = None) -> Fit:
    """Prais-Winsten, iterated: rho from the residuals' lag-1 regression, the first point kept.

    Prais & Winsten 1954 (Cowles Commission 383); rho = sum e_t e_(t-1) / sum e_(t-1)^2 over
    neighbours that are one step apart, as Stata's `prais` does by default.
    """
    steps = _one_step_each(y, steps)
    fit, rho = ols(y, x), 0.0
    neighbours = steps == 1
    for _ in range(100):
        e, before = fit.residuals[1:][neighbours], fit.residuals[:-1][neighbours]
        new = float(np.clip((e @ before) / max(before @ before, 1e-300), -0.98, 0.98))
        fit = _at_rho(y, x, new, steps)[0]
        if abs(new - rho) < 1e-6:
            break
        rho = new
    return fit


class Mixture(msgspec.Struct, frozen=True):
    """A contrast's distribution: t distributions, weighted by how likely each rho is."""

    weight: Array
    centre: Array
    spread: Array
    df: float

    def cdf(self, at: float) -> float:
        """Share below `at`."""
        return float(self.weight @ special.stdtr(self.df, (at - self.centre) / self.spread))

    def quantile(self, share: float) -> float:
        """Value with `share` below it."""
        reach = 60 * float(np.max(self.spread))
        low, high = float(np.min(self.centre)) - reach, float(np.max(self.centre)) + reach
        return float(optimize.brentq(lambda at: self.cdf(at) - share, low, high, xtol=1e-10))

    def p(self, null: float = 0.0) -> float:
        """Two-sided p-value."""
        below = self.cdf(null)
        return max(0.0, 2 * min(below, 1 - below))

    def sd(self) -> float:
        """Standard deviation, with rho's uncertainty in it."""
        mean = float(self.weight @ self.centre)
        heavy = self.df / (self.df - 2) if self.df > 2 else np.inf
        inside = float(self.weight @ (self.spread**2)) * heavy
        return float(np.sqrt(inside + self.weight @ (self.centre - mean) ** 2))


class Ar1Posterior(msgspec.Struct, frozen=True, kw_only=True):
    """What the data say about rho, and the regression at each rho.

    `weight` and `rho` (r,), `beta` (r, k), `cov` (r, k, k).
    """

    weight: Array
    rho: Array
    beta: Array
    cov: Array
    df: float

    def contrast(self, c: Array) -> Mixture:
        """Distribution of c'beta."""
        spread = np.sqrt(np.einsum("i,rij,j->r", c, self.cov, c))
        return Mixture(self.weight, self.beta @ c, spread, self.df)

    def rho_mean(self) -> float:
        """Mean of rho."""
        return float(self.weight @ self.rho)


def ar1_posterior(y: Array, x: Array, steps: NDArray[np.int64] | None = None) -> Ar1Posterior:
    """Regression with AR(1) errors, averaged over rho by its restricted likelihood.

    Plugging one estimate of rho in makes intervals too narrow for short series (Turner et al. 2021,
    BMC Med Res Methodol 21:181: every method they tried). Here each rho of a grid counts by its
    restricted likelihood (Harville 1974, Biometrika 61:383: the marginal posterior under flat
    priors), so rho's own uncertainty is in the interval.
    """
    steps = _one_step_each(y, steps)
    ols(y, x)  # says so when the columns depend on each other
    n, k = x.shape
    q, r = np.linalg.qr(x)  # columns of one length, so that no scale of a covariate can hurt
    both, jacobian = _whitened_at(np.column_stack([q, y]), _RHO_GRID, steps)
    xw, yw = both[:, :, :k], both[:, :, k]
    gram = np.swapaxes(xw, 1, 2) @ xw
    beta = np.linalg.solve(gram, np.swapaxes(xw, 1, 2) @ yw[:, :, None])[:, :, 0]
    residuals = yw - (xw @ beta[:, :, None])[:, :, 0]
    sse = np.maximum(np.sum(residuals**2, axis=1), 1e-300)
    restricted = jacobian - 0.5 * (n - k) * np.log(sse) - 0.5 * np.linalg.slogdet(gram)[1]
    weight = np.exp(restricted - restricted.max())
    back = np.linalg.inv(r)
    scale = (sse / (n - k))[:, None, None]
    return Ar1Posterior(
        weight=weight / weight.sum(),
        rho=_RHO_GRID,
        beta=np.asarray(beta @ back.T, dtype=np.float64),
        cov=back @ (np.linalg.inv(gram) * scale) @ back.T,
        df=n - k,
    )


def _whitened_at(
    values: Array, rho: Array, steps: NDArray[np.int64]
) -> tuple[Array, Array]:  # fmt: skip
    """`whiten` for each rho at once (r, n, k), and the log-likelihood's Jacobians (r,)."""
    carried = rho[:, None] ** steps[None, :]
    spread2 = (1 - carried**2) / (1 - rho**2)[:, None]
    first = values[None, :1] * np.sqrt(1 - rho**2)[:, None, None]
    rest = values[None, 1:] - carried[:, :, None] * values[None, :-1]
    rest /= np.sqrt(spread2)[:, :, None]
    jacobian = 0.5 * np.log(1 - rho**2) - 0.5 * np.log(spread2).sum(axis=1)
    return np.concatenate([first, rest], axis=1), jacobian


def _one_step_each(y: Array, steps: NDArray[np.int64] | None) -> NDArray[np.int64]:
    return np.ones(len(y) - 1, dtype=np.int64) if steps is None else steps


def ljung_box(residuals: Array, lags: int) -> tuple[float, float]:
    """Q and p for the first `lags` autocorrelations (Ljung & Box 1978, Biometrika 65:297)."""
    n = len(residuals)
    r = autocorrelation(residuals, lags)
    q = n * (n + 2) * float(np.sum(r**2 / (n - np.arange(1, lags + 1))))
    return q, float(stats.chi2.sf(q, lags))


def autocorrelation(residuals: Array, lags: int) -> Array:
    """(lags,) autocorrelations at 1, 2, ..."""
    e = residuals - residuals.mean()
    total = float(e @ e)
    return np.array([float(e[j:] @ e[:-j]) / total for j in range(1, lags + 1)])


def t_interval(value: float, se: float, df: float, level: float) -> tuple[float, float, float]:
    """Low, high and two-sided p against 0; df may be infinite (then it is the normal's)."""
    dist: Any = stats.norm if np.isinf(df) else stats.t(df)
    reach = float(dist.ppf(0.5 + level / 2)) * se
    return value - reach, value + reach, float(2 * dist.sf(abs(value / se)))


def numeric_gradient(f: Callable[[Array], Array], at: Array) -> Array:
    """Jacobian of `f` at `at` by central differences, for the delta method."""
    step = 1e-6 * np.maximum(1.0, np.abs(at))
    columns = []
    for j in range(len(at)):
        up, down = at.copy(), at.copy()
        up[j] += step[j]
        down[j] -= step[j]
        columns.append((f(up) - f(down)) / (2 * step[j]))
    return np.stack(columns, axis=-1)
