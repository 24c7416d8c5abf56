"""Every model of one interrupted time series, fitted once: the headline's and those beside it."""

import numpy as np

from server.evaluation import linear
from server.evaluation.count_regression import (
    CountFit,
    ar1_counts,
    hac_counts,
    negative_binomial,
    poisson,
    quasi_binomial,
)
from server.evaluation.errors import BadRequest
from server.evaluation.its_request import ItsRequest
from server.evaluation.linear import Ar1Posterior, Array, t_interval
from server.evaluation.moments import label
from server.evaluation.results import Estimate, Json, estimate
from server.evaluation.segmented import WANTED_POINTS, Segments


class ItsModels:
    """Every model of one request, fitted once."""

    def __init__(self, request: ItsRequest, segmented: Segments) -> None:
        self.request, self.segmented = request, segmented
        self.counts: dict[str, CountFit] = {}
        if request.family == "gaussian":
            self._fit_linear()
        else:
            self._fit_counts()

    def _fit_linear(self) -> None:
        request, x, steps = self.request, self.segmented.x, self.segmented.steps
        if request.exposure is not None:
            raise BadRequest("exposure belongs to counts; give --family quasipoisson")
        y = request.y if request.control is None else request.y - request.control
        self.ols = linear.ols(y, x)
        self.ml = linear.ar1_max_likelihood(y, x, steps)
        self.pw = linear.prais_winsten(y, x, steps)
        self.ar1: Ar1Posterior = linear.ar1_posterior(y, x, steps)
        self.residuals = self.ols.residuals

    def _fit_counts(self) -> None:
        request, x = self.request, self.segmented.x
        offset = np.zeros(len(x)) if request.exposure is None else np.log(request.exposure)
        if request.control is not None:
            if request.control_exposure is not None:
                offset = offset - np.log(request.control_exposure)
            self.main = quasi_binomial(request.y, request.control, x, offset)
            self.counts["quasi-binomial"] = self.main
        else:
            self.counts["quasi-Poisson"] = poisson(request.y, x, offset)
            self.counts["negative binomial"] = negative_binomial(request.y, x, offset)
            self.main = self.counts[self._count_name()]
        self.ar1 = ar1_counts(self.main, x, self.segmented.steps)
        self.residuals = self.main.pearson

    @property
    def unit(self) -> str:
        return "outcome" if self.request.family == "gaussian" else "ratio"

    def headline(self) -> list[Estimate]:
        """Level and slope change by the AR(1) model."""
        centre = self.ml.beta if self.request.family == "gaussian" else self.main.beta
        name = "AR(1), " + ("maximum likelihood" if self.unit == "outcome" else self._count_name())
        return [
            self._averaged(term, self._unit_row(term), float(centre[j]), name)
            for j, term in self._terms()
        ]

    def _count_name(self) -> str:
        if self.request.control is not None:
            return "quasi-binomial"
        return "negative binomial" if self.request.family == "negbin" else "quasi-Poisson"

    def _averaged(self, name: str, row: Array, value: float, model: str) -> Estimate:
        mixture = self.ar1.contrast(row)
        tail = (1 - self.request.level) / 2
        return self._row(
            name,
            value,
            se=mixture.sd(),
            low=mixture.quantile(tail),
            high=mixture.quantile(1 - tail),
            p=mixture.p(),
            df=mixture.df,
            model=f"{model}, interval averaged over rho",
        )

    def at_dates(self) -> list[Estimate]:
        """Effect at a date, mean effect after, the course without it, and its sum for counts."""
        at = self.request.counterfactual_at
        at = float(self.segmented.time[-1]) if at is None else at
        if at < self.segmented.origin:
            raise BadRequest(
                f"no counterfactual at {label(at, self.request.kind)}, before the intervention"
            )
        beta = self.ml.beta if self.unit == "outcome" else self.main.beta
        row = self.segmented.effect_row(np.array([at]))[0]
        post = self.segmented.after()
        mean_row = self.segmented.effect_row(self.segmented.time[post]).mean(axis=0)
        model = "AR(1)"
        found = [
            self._averaged(
                f"effect_at_{label(at, self.request.kind)}", row, float(row @ beta), model
            ),
            self._averaged("mean_effect_after", mean_row, float(mean_row @ beta), model),
        ]
        if self.request.control is not None:
            return found
        return [*found, *self._without(at), *self._averted()]

    def _without(self, at: float) -> list[Estimate]:
        """Fitted value and counterfactual at an observed time."""
        where = np.flatnonzero(self.segmented.time == at)
        if len(where) == 0:
            return []
        i = int(where[0])
        x = self.segmented.x[i]
        without = x - self.segmented.effect_row(np.array([at]))[0]
        found = []
        for name, row in (("fitted", x), ("counterfactual", without)):
            mixture = self.ar1.contrast(row)
            value = float(row @ (self.ml.beta if self.unit == "outcome" else self.main.beta))
            tail = (1 - self.request.level) / 2
            ends = np.array([value, mixture.quantile(tail), mixture.quantile(1 - tail)])
            if self.unit == "ratio":
                exposure = 1.0 if self.request.exposure is None else self.request.exposure[i]
                ends = np.exp(ends) * exposure
            found.append(
                estimate(
                    f"{name}_at_{label(at, self.request.kind)}",
                    float(ends[0]),
                    "outcome" if self.unit == "outcome" else "count",
                    low=float(ends[1]),
                    high=float(ends[2]),
                    level=self.request.level,
                    model="AR(1), mean without noise",
                )
            )
        return found

    def _averted(self) -> list[Estimate]:
        """Counts that the model says were prevented, over all points after (delta method)."""
        if self.unit == "outcome":
            return []
        post = self.segmented.after()
        x, beta = self.segmented.x[post], self.main.beta
        effect = self.segmented.effect_row(self.segmented.time[post])
        exposure = np.ones(len(x)) if self.request.exposure is None else self.request.exposure[post]

        def averted(b: Array) -> Array:
            return np.array([np.sum(exposure * (np.exp((x - effect) @ b) - np.exp(x @ b)))])

        slope = linear.numeric_gradient(averted, beta)[0]
        mixture = self.ar1.contrast(slope)
        value = float(averted(beta)[0])
        low, high, _ = t_interval(value, mixture.sd(), mixture.df, self.request.level)
        return [
            estimate(
                "prevented_after", value, "count", se=mixture.sd(), low=low, high=high,
                level=self.request.level, model="AR(1), delta method",
            )
        ]  # fmt: skip

    def beside(self) -> list[Estimate]:
        """The same terms by every other model."""
        if self.unit == "outcome":
            return self._linear_rows()
        return self._count_rows()

    def _linear_rows(self) -> list[Estimate]:
        lag = self._lag()
        hac = linear.newey_west(self.ols, self.segmented.x, lag)
        n = len(self.request.y)
        ml_cov = self.ml.cov * self.ml.df / n
        rows = []
        for j, term in self._terms():
            for model, beta, se, df in (
                ("OLS", self.ols.beta, self.ols.se()[j], self.ols.df),
                (f"OLS, Newey-West({lag})", self.ols.beta, float(np.sqrt(hac[j, j])), self.ols.df),
                ("Prais-Winsten", self.pw.beta, self.pw.se()[j], self.pw.df),
                ("AR(1), ML, normal", self.ml.beta, float(np.sqrt(ml_cov[j, j])), np.inf),
            ):
                rows.append(self._wald(term, float(beta[j]), float(se), float(df), model))
        return rows

    def _count_rows(self) -> list[Estimate]:
        lag = self._lag()
        base = self.main if self.request.control is not None else self.counts["quasi-Poisson"]
        hac = hac_counts(base, self.segmented.x, lag)
        over = "binomial" if self.request.control is not None else "Poisson"
        negbin = self.counts.get("negative binomial")
        rows = []
        for j, term in self._terms():
            se = float(np.sqrt(base.cov[j, j]))
            phi_se = se * float(np.sqrt(base.phi))
            models = [
                (f"quasi-{over}", base, phi_se, np.inf),
                (f"quasi-{over}, t", base, phi_se, float(base.df)),
                (f"{over}, Newey-West({lag})", base, float(np.sqrt(hac[j, j])), np.inf),
                (over, base, se, np.inf),
            ]
            if negbin is not None:
                nb_se = float(np.sqrt(negbin.cov[j, j]))
                models.insert(2, ("negative binomial", negbin, nb_se, np.inf))
            for model, fit, each, df in models:
                rows.append(self._wald(term, float(fit.beta[j]), each, df, model))
        return rows

    def _lag(self) -> int:
        given = self.request.hac_lag
        return linear.hac_lag(len(self.request.y)) if given is None else given

    def _terms(self) -> list[tuple[int, str]]:
        shown = ("level_change", "slope_change", "trend", "intercept")
        return [(self.segmented.column(t), t) for t in shown if t in self.segmented.names]

    def _unit_row(self, term: str) -> Array:
        row = np.zeros(len(self.segmented.names))
        row[self.segmented.column(term)] = 1.0
        return row

    def _wald(self, name: str, value: float, se: float, df: float, model: str) -> Estimate:
        low, high, p = t_interval(value, se, df, self.request.level)
        return self._row(name, value, se=se, low=low, high=high, p=p, df=df, model=model)

    def _row(
        self, name: str, value: float, *, se: float, low: float, high: float, p: float, df: float,
        model: str,
    ) -> Estimate:  # fmt: skip
        if self.unit == "ratio":
            value, low, high = (float(np.exp(v)) for v in (value, low, high))
        per = "ratio" if self.unit == "ratio" else "outcome"
        unit = f"{per} per step" if name in ("slope_change", "trend") else per
        return estimate(
            name, value, unit, se=se, low=low, high=high, level=self.request.level, p=p, df=df,
            model=model,
        )  # fmt: skip

    def diagnostics(self) -> dict[str, Json]:
        """Autocorrelation, dispersion, points on each side."""
        post = self.segmented.after()
        lags = min(12, len(self.residuals) // 3)
        q, p = linear.ljung_box(self.residuals, lags)
        first = float(linear.autocorrelation(self.residuals, 1)[0])
        found: dict[str, Json] = {
            "points_before": int((~post).sum()),
            "points_after": int(post.sum()),
            "residual_autocorrelation_1": first,
            "ljung_box_lags": lags,
            "ljung_box_q": q,
            "ljung_box_p": p,
            "rho_mean": self.ar1.rho_mean(),
        }
        if self.unit == "ratio":
            base = self.counts.get("quasi-Poisson", self.main)
            found["dispersion"] = base.phi
            if "negative binomial" in self.counts:
                found["negbin_alpha"] = self.counts["negative binomial"].alpha
        else:
            found |= {"rho_ml": self.ml.rho, "rho_prais_winsten": self.pw.rho}
        return found

    def warnings(self) -> list[str]:
        """What a reader must know before believing the headline."""
        found = []
        if self.request.control is None:
            found.append("one series without a control: what else changed then is in the number")
        post = self.segmented.after()
        fewest = min(int(post.sum()), int((~post).sum()))
        if self.request.season is not None and fewest < WANTED_POINTS:
            found.append(
                f"{fewest} points on one side; with seasonal terms {WANTED_POINTS} are wanted"
            )
        if self.ar1.rho_mean() > 0.6:
            found.append(
                f"strong memory in the errors (rho {self.ar1.rho_mean():.2f}): a drift and a change"
                " of level look alike, and the interval is still a little narrow"
            )
        if self.unit == "ratio" and self.counts.get("quasi-Poisson", self.main).phi > 2:
            phi = self.counts.get("quasi-Poisson", self.main).phi
            found.append(
                f"counts vary {phi:.1f} times as much as Poisson's; don't quote the row without"
                " dispersion"
            )
        return found
