"""When the instrument and not the street may be what changed: then no cause is claimed."""

from datetime import UTC

import numpy as np

from contract.lux_bands import lux_band
from server.evaluation.data.outcomes import Prepared, SiteGrid, Weeks
from server.evaluation.data.snapshot import Break, Snapshot
from server.evaluation.plan.plan import OutcomeName

# A band that holds less of a site's hours than this can hardly move its rate.
LEAST_BAND_SHARE = 0.1
_STREAM = {"footfall": "footfall", "lux": "light", "laeq": "noise"}
_DAY_S = 86_400.0


def series_breaks(
    snapshot: Snapshot, outcome: OutcomeName, sites: list[str], weeks: Weeks
) -> list[Break]:
    """Breaks of this outcome's instruments from the first week to the last, installation too."""
    stream = _STREAM.get(outcome.split("_")[0])
    first, last = weeks.first_day[0] * _DAY_S, (weeks.first_day[-1] + 7) * _DAY_S
    return [
        found
        for found in snapshot.breaks
        if stream is not None and found.stream in (stream, "all") and found.site in sites
        and first <= found.at.timestamp() < last
    ]  # fmt: skip


def break_refusals(breaks: list[Break]) -> list[str]:
    """One reason, with the first few breaks by name."""
    if not breaks:
        return []
    few = "; ".join(
        f"{b.site}, {b.node}, {b.at.astimezone(UTC):%Y-%m-%d}: {b.what}" for b in breaks[:4]
    )
    more = f"; and {len(breaks) - 4} more" if len(breaks) > 4 else ""
    return [
        f"the measuring changed inside the window ({few}{more}), so what changed in the street"
        " can't be told from what changed in the instrument"
    ]


def lux_band_refusals(
    prepared: Prepared, snapshot: Snapshot, outcome: OutcomeName, sites: list[str], weeks: Weeks
) -> list[str]:
    """Sites whose light moved to another band in which the counter was never held against a hand.

    A camera sees better under new lamps, so counts rise by themselves. Where the bands stay the
    same, the counter's error does too and cancels.
    """
    if not outcome.startswith("footfall") or outcome == "footfall_day":
        return []
    reasons = []
    for site in sites:
        before, after = bands(prepared.grid(site), weeks)
        if not before or not after:
            reasons.append(f"{site}: no light was measured beside the counter, so nobody knows"
                           " whether it saw as well after as before")  # fmt: skip
            continue
        if before == after:
            continue
        known = {v.lux_band for v in snapshot.validated if v.site == site}
        unknown = sorted((before | after) - known, key=_lower_edge)
        if unknown:
            reasons.append(
                f"{site}: its light after dark went from {_listed(before)} to {_listed(after)}, and"
                f" the counter was never validated in {', '.join(unknown)}"
            )
    return reasons


def bands(grid: SiteGrid, weeks: Weeks) -> tuple[set[str], set[str]]:
    """Bands of light of at least a tenth of the dark hours, before and after."""
    data = grid.data
    with np.errstate(invalid="ignore", divide="ignore"):
        lux = data.lux_s / data.lux_valid_s
    found = []
    first, last = weeks.first_day[0], weeks.first_day[-1] + 7
    early = weeks.first_day[weeks.first_day < weeks.start]
    for low, high in ((first, early[-1] + 7), (weeks.start, last)):
        mine = grid.dark & (grid.night >= low) & (grid.night < high) & np.isfinite(lux)
        names = [lux_band(float(value)) for value in lux[mine]]
        shares = {name: names.count(name) / len(names) for name in set(names)}
        found.append({str(n) for n, share in shares.items() if share >= LEAST_BAND_SHARE})
    return found[0], found[1]


def _listed(names: set[str]) -> str:
    return " and ".join(sorted(names, key=_lower_edge))


def _lower_edge(name: str) -> float:
    return float(name.removeprefix("over ").removesuffix(" lx").split("-")[0])
