"""Early and late switching, and burning by day: which way a lamp went, over all its edges.

Each edge speaks more or less for each way (`habit`). The likeliest course of ways over all edges is
found at once (Viterbi, 1967): a change of way costs about what it is rare, so one odd night isn't
a fault, three are, and one fault isn't cut in two by a night that can't be told.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.lighting.habit import JudgedEdge, Way

_BEGIN_LOG = 10.0
"""One edge says at most 4.5: a switching fault shows on its third night."""
_BEGIN_BURNING_LOG = 8.0
"""Two edges can tell: no step at dawn, none at the dusk after it."""
_GOES_ON_LOG = 0.08
_STILL_BURNING_LOG = 0.1
"""A lamp that burns all day is seen to sooner than one that comes on early."""
_BESIDE_LOG = 13.0
"""From one fault into another."""
_END_LOG = 1.0
_SPEAKS_LOG = 1.0
_LEAST_NOON_DEG = 4.0
"""Where the sun stays lower than this at noon a lamp may rightly burn all day."""


@dataclass(frozen=True, kw_only=True)
class WayFault:
    """Edges over which a lamp went one way that isn't the usual one."""

    way: Way
    edges: tuple[JudgedEdge, ...]
    """All edges of the fault at which it could show: for switching one a night, else two."""
    raised: JudgedEdge
    """The edge at which the edges up to it first said so."""
    closed_by: JudgedEdge | None
    """None: still going on."""

    @property
    def speaking(self) -> tuple[JudgedEdge, ...]:
        """The edges that speak for it."""
        own = tuple(one for one in self.edges if one.speaks_for(self.way) > _SPEAKS_LOG)
        return own or self.edges[:1]

    def covers(self, night: int) -> bool:
        return self.edges[0].edge.night - 1 <= night <= self.edges[-1].edge.night + 1


def way_faults(judged: list[JudgedEdge]) -> list[WayFault]:
    """The faults of one lamp from all its edges in order of time."""
    told = [one for one in judged if any(one.scores)]
    if not told:
        return []
    course, so_far = _course(np.array([_allowed(one) for one in told]))
    faults = []
    begin = 0
    for at in range(1, len(told) + 1):
        if at < len(told) and course[at] == course[begin]:
            continue
        way = Way(int(course[begin]))
        if way is not Way.USUAL:
            faults.append(_fault(told, so_far, way, begin, at))
        begin = at
    return faults


def _allowed(one: JudgedEdge) -> list[float]:
    scores = list(one.scores)
    for way in Way:
        scores[way] -= 0.0 if way is Way.USUAL else _GOES_ON_LOG
    scores[Way.BURNING] -= _STILL_BURNING_LOG
    if one.noon_deg < _LEAST_NOON_DEG:
        scores[Way.BURNING] = min(scores[Way.USUAL], scores[Way.BURNING])
    return scores


def _course(scores: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(edges,) the likeliest ways knowing all edges, and knowing those up to each one."""
    cost = np.full((len(Way), len(Way)), _BESIDE_LOG)
    cost[:, Way.USUAL] = _END_LOG
    cost[Way.USUAL, :] = _BEGIN_LOG
    cost[Way.USUAL, Way.BURNING] = _BEGIN_BURNING_LOG
    np.fill_diagonal(cost, 0.0)
    total = np.array([0.0, *(-cost[Way.USUAL, 1:])]) + scores[0]
    came_from = np.zeros(scores.shape, dtype=np.int64)
    so_far = np.zeros(scores.shape[0], dtype=np.int64)
    so_far[0] = total.argmax()
    for at in range(1, scores.shape[0]):
        ways = total[:, None] - cost
        came_from[at] = ways.argmax(axis=0)
        total = ways.max(axis=0) + scores[at]
        so_far[at] = total.argmax()
    course = np.zeros(scores.shape[0], dtype=np.int64)
    course[-1] = total.argmax()
    for at in range(scores.shape[0] - 1, 0, -1):
        course[at - 1] = came_from[at, course[at]]
    return course, so_far


def _fault(
    told: list[JudgedEdge], so_far: NDArray[np.int64], way: Way, begin: int, end: int
) -> WayFault:
    evening = {Way.EARLY_ON: True, Way.LATE_ON: True, Way.EARLY_OFF: False, Way.LATE_OFF: False}
    own = [one for one in told[begin:end] if evening.get(way, one.edge.evening) == one.edge.evening]
    raised = next((at for at in range(begin, end) if so_far[at] == way), end - 1)
    return WayFault(
        way=way,
        edges=tuple(own or told[begin:end]),
        raised=told[raised],
        closed_by=told[end] if end < len(told) else None,
    )
