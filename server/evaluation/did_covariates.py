"""Difference in differences with what the sites differ in held equal: a regression of changes."""

import numpy as np

from server.evaluation.errors import BadRequest
from server.evaluation.linear import Array, ols, sandwich, t_interval
from server.evaluation.panel import Panel, site_means
from server.evaluation.results import Estimate, estimate


def adjusted_rows(
    panel: Panel, start: float, covariates: dict[str, Array], *, log: bool, level: float
) -> list[Estimate]:
    """The treated sites' extra change with `covariates` (each (sites,)) held equal.

    Each site's change on an intercept, its arm and the covariates (Card & Krueger 1994, AER 84:772,
    table 4), by least squares: with one variance for all, and with HC1 (MacKinnon & White 1985).
    A site without a change or a covariate is left out. Beside the headline: sites of one arm move
    together, and these errors don't know it.
    """
    before = panel.before(start)
    change = site_means(panel, ~before, log=log) - site_means(panel, before, log=log)
    x = np.column_stack([np.ones(len(change)), panel.treated, *covariates.values()])
    seen = np.isfinite(change) & np.isfinite(x).all(axis=1)
    if seen.sum() <= x.shape[1]:
        raise BadRequest(f"{int(seen.sum())} sites can't carry {len(covariates)} covariates")
    x, fit = x[seen], ols(change[seen], x[seen])
    hc1 = sandwich(x * fit.residuals[:, None], np.asarray(np.linalg.inv(x.T @ x)), 0)
    rows = []
    for model, variance in (("OLS", fit.cov[1, 1]), ("HC1", hc1[1, 1])):
        value, se = float(fit.beta[1]), float(np.sqrt(variance))
        low, high, p = t_interval(value, se, fit.df, level)
        ends = [float(np.exp(v)) if log else v for v in (value, low, high)]
        rows.append(
            estimate(
                "did_adjusted", ends[0], "ratio" if log else "outcome", se=se, low=ends[1],
                high=ends[2], p=p, df=fit.df, level=level,
                model=f"{int(seen.sum())} site changes on {', '.join(covariates)}, {model}",
            )
        )  # fmt: skip
    return rows
