"""Sensors that died or jumped, found without knowing who was treated.

Nothing here gets an arm or a date of the intervention. What is sure (a night of zeros in a street
that is never empty) is masked and listed; a lasting step is listed for a human with the
maintenance log, and stays in: masking it would erase a true effect.
"""

import msgspec
import numpy as np

from server.evaluation.linear import Array

# A street with fewer crossings a night than this may well have had none.
_BUSY = 10.0
_STEP_LOG = 0.7
_RUN_WEEKS = 3
_OUT_SHARE = 0.05


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found at a site: `masked` is left out, `look` stays in and wants a human."""

    site: str
    what: str
    masked: bool
    days: list[float] = []


def dead_nights(
    sites: list[str], nights: Array, crossings: Array, hours: Array
) -> tuple[Array, list[Finding]]:
    """(sites, nights) of True where a counter saw nobody at all in a street that is never empty.

    Args:
        crossings, hours: (sites, nights) sums; NaN or 0 hours where nothing was observed.
    """
    dead = np.zeros(crossings.shape, dtype=bool)
    found = []
    with np.errstate(invalid="ignore"):
        observed = (hours > 1) & np.isfinite(crossings)
    for i, site in enumerate(sites):
        alive = observed[i] & (crossings[i] > 0)
        if not alive.any() or np.median(crossings[i, alive]) < _BUSY:
            continue
        # Others saw people that night: an evening on which the whole city stays in is no fault.
        others = np.delete(observed & (crossings > 0), i, axis=0).any(axis=0)
        dead[i] = observed[i] & (crossings[i] == 0) & (others if len(sites) > 1 else True)
        if dead[i].any():
            days = [float(night) for night in nights[dead[i]]]
            share = len(days) / max(int(observed[i].sum()), 1)
            more = "; so many that the site wants a look" if share > _OUT_SHARE else ""
            found.append(
                Finding(
                    site=site, masked=True, days=days,
                    what=f"{len(days)} nights with nobody counted while others saw people"
                    f" ({share:.1%} of its nights), left out{more}",
                )
            )  # fmt: skip
    return dead, found


def steps(sites: list[str], weeks: Array, rate: Array) -> tuple[Array, list[Finding]]:
    """(sites, weeks) of True in single odd weeks, which are masked; lasting steps are only listed.

    A site's weekly rate is held against the median of the other sites; odd is more than a factor
    of 2 from its own middle.
    """
    odd = np.zeros(rate.shape, dtype=bool)
    found: list[Finding] = []
    if len(sites) < 4:
        return odd, found  # fewer neighbours than this say more about themselves
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(rate > 0, np.log(rate), np.nan)
    for i, site in enumerate(sites):
        others = np.delete(logs, i, axis=0)
        known = np.isfinite(others).any(axis=0) & np.isfinite(logs[i])
        if known.sum() < 8:
            continue
        relative = np.full(len(weeks), np.nan)
        relative[known] = logs[i, known] - np.nanmedian(others[:, known], axis=0)
        far = np.abs(relative - np.nanmedian(relative)) > _STEP_LOG
        for first, last in _runs(far):
            length = last - first
            if length < _RUN_WEEKS:
                odd[i, first:last] = True
            factor = float(np.exp(np.nanmean(relative[first:last]) - np.nanmedian(relative)))
            found.append(
                Finding(
                    site=site, masked=length < _RUN_WEEKS,
                    days=[float(week) for week in weeks[first:last]],
                    what=f"{length} week{'' if length == 1 else 's'} at {factor:.2f} of its usual"
                    " place among the others, "
                    + ("left out" if length < _RUN_WEEKS else "kept: compare the maintenance log"),
                )
            )  # fmt: skip
    return odd, found


def _runs(mask: Array) -> list[tuple[int, int]]:
    """Begin and end (not included) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
