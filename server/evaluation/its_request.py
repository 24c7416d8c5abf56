"""What is asked of an interrupted time series."""

from typing import Literal

import msgspec

from server.evaluation.linear import Array
from server.evaluation.moments import Kind
from server.evaluation.segmented import Season

Family = Literal["gaussian", "poisson", "quasipoisson", "negbin"]


class ItsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One series and the question put to it.

    `y` (n,) NaN where nothing was measured; `exposure` (n,) for counts. `transition_to` leaves out
    the times from `start` up to it, while things were being installed. With `control` (n,), a
    series that the intervention did not touch, the question is put to the difference of the two
    (counts: to the treated share), so that what moves both alike cancels.
    """

    time: Array
    y: Array
    start: float
    kind: Kind = "number"
    family: Family = "gaussian"
    exposure: Array | None = None
    control: Array | None = None
    control_exposure: Array | None = None
    slope: bool = True
    season: Season | None = None
    covariates: dict[str, Array] = {}
    transition_to: float | None = None
    counterfactual_at: float | None = None
    origin_before: bool = False
    allow_short: bool = False
    hac_lag: int | None = None
    level: float = 0.95
    alpha: float = 0.05
