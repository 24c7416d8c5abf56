"""Day burners: a lamp that neither goes off at dawn nor comes on at dusk, night level unchanged."""

from dataclasses import dataclass
from itertools import pairwise

from server.lighting.edges import Sight
from server.lighting.night_grid import NightGrid
from server.lighting.switching import JudgedEdge

_LEAST_MISSING = 2
_LEAST_NOON_DEG = 4.0
"""Where the sun stays lower than this at noon a lamp may rightly burn all day."""


@dataclass(frozen=True, kw_only=True)
class Burning:
    """Consecutive switchings that did not come."""

    missed: tuple[JudgedEdge, ...]
    raised: JudgedEdge
    """The dusk at which it was certain: no step then, and none at the dawn before."""
    closed_by: JudgedEdge | None
    """The next switching that was seen, or a lamp found dark."""


def burnings(grid: NightGrid, judged: list[JudgedEdge]) -> list[Burning]:
    """Runs without a step, at least two of which would have shown, with a whole day among them.

    What can't be told ends nothing; a lamp found dark does, or one that switches twice: a single
    step may be a cloud.
    """
    found: list[Burning] = []
    still: list[JudgedEdge] = []
    right: JudgedEdge | None = None
    for one in judged:
        if one.missing or one.edge.sight is Sight.NONE:
            still.append(one)
            right = None if one.missing else right
        elif one.edge.sight is Sight.DARK or (one.normal and (right or not _burned(still))):
            found += _told(grid, still, right or one)
            still, right = [], None
        elif one.normal:
            right = one
    return found + _told(grid, still, right)


def _burned(still: list[JudgedEdge]) -> bool:
    return sum(one.missing for one in still) >= _LEAST_MISSING


def _told(grid: NightGrid, still: list[JudgedEdge], by: JudgedEdge | None) -> list[Burning]:
    if not _burned(still):
        return []
    days = [dusk for dawn, dusk in pairwise(still) if _a_day(grid, dawn, dusk)]
    if not days:
        return []
    first = next(at for at, one in enumerate(still) if one.missing or one.edge is days[0].edge)
    missed = tuple(one for one in still[first:] if one.missing or one.expected is not None)
    # The alarm needs two switchings that would have shown.
    second = [one for one in missed if one.missing][1]
    raised = max(days[0], second, key=lambda one: (one.edge.night, not one.edge.evening))
    return [Burning(missed=missed, raised=raised, closed_by=by)]


def _a_day(grid: NightGrid, dawn: JudgedEdge, dusk: JudgedEdge) -> bool:
    """Whether two switchings without a step, one of them certain, enclose a bright day."""
    next_day = dusk.edge.night == dawn.edge.night + 1
    return (
        dusk.edge.evening
        and not dawn.edge.evening
        and next_day
        and (dawn.missing or dusk.missing)
        and (dawn.missing or dawn.quiet)
        and (dusk.missing or dusk.quiet)
        and float(grid.sun_deg[dusk.edge.night, 0]) > _LEAST_NOON_DEG
    )
