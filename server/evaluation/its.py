"""Interrupted time series: segmented regression with errors that remember the day before.

The headline is the AR(1) model; OLS, Prais-Winsten, Newey-West (or quasi-Poisson, negative
binomial) stand beside it in one table, so that a reader sees what hangs on the choice.
"""

import msgspec
import numpy as np

from server.evaluation.errors import BadRequest
from server.evaluation.grade import Design, maryland_grade
from server.evaluation.its_models import ItsModels
from server.evaluation.its_request import ItsRequest
from server.evaluation.results import Result, refused
from server.evaluation.segmented import segments, too_short
from server.evaluation.verdict import verdict


def its(request: ItsRequest) -> Result:
    """Level and slope change with intervals, and the course without the intervention."""
    request, dropped = _observed(request)
    controlled = request.control is not None
    method = f"{'controlled ' if controlled else ''}interrupted time series, {request.family}"
    start = request.start if request.transition_to is None else request.transition_to
    segmented = segments(
        request.time,
        start=start,
        slope=request.slope,
        season=request.season,
        covariates=request.covariates,
        origin_before=request.origin_before,
    )
    why = too_short(segmented, request.season)
    if why is not None and not request.allow_short:
        return refused(method, len(request.y), why)
    fits = ItsModels(request, segmented)
    headline = fits.headline()
    after = fits.at_dates()
    grade = maryland_grade(Design(treated_sites=1, control_sites=int(controlled)))
    outcome, sentence = verdict(
        headline[0], p=headline[0].p, alpha=request.alpha, grade=grade, what="the level"
    )
    warnings = fits.warnings()
    if why is not None:
        warnings.insert(0, f"{why}; answered all the same, on request")
    if dropped:
        warnings.append(f"{dropped} points without a measurement left out, none filled in")
    return Result(
        method=method,
        n=len(request.y),
        estimates=[*headline, *after],
        sensitivity=fits.beside(),
        p=headline[0].p,
        p_kind=headline[0].model,
        alpha=request.alpha,
        grade=grade,
        outcome=outcome,
        verdict=sentence,
        diagnostics=fits.diagnostics(),
        warnings=warnings,
    )


def _observed(request: ItsRequest) -> tuple[ItsRequest, int]:
    """The request without points that weren't measured or lie in the transition."""
    optional = (request.exposure, request.control, request.control_exposure)
    keep = np.isfinite(request.y)
    for values in (*optional, *request.covariates.values()):
        if values is not None:
            keep &= np.isfinite(values)
    dropped = int((~keep).sum())
    if request.transition_to is not None:
        if request.transition_to <= request.start:
            raise BadRequest("the transition must end after the intervention begins")
        keep &= (request.time < request.start) | (request.time >= request.transition_to)
    kept = msgspec.structs.replace(
        request,
        time=request.time[keep],
        y=request.y[keep],
        exposure=None if request.exposure is None else request.exposure[keep],
        control=None if request.control is None else request.control[keep],
        control_exposure=(
            None if request.control_exposure is None else request.control_exposure[keep]
        ),
        covariates={name: values[keep] for name, values in request.covariates.items()},
    )
    return kept, dropped
