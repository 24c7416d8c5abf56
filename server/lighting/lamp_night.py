"""One lamp's night as people look at it: when it burned, when it switched, how bright it was."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from server.lighting.edges import Edge, Lights, Sight
from server.lighting.habit import JudgedEdge
from server.lighting.night_grid import MINUTES, Calendar, Mask

_BRIDGED_MIN = 3
"""A spell is drawn through this many minutes in which nothing can be told."""


@dataclass(frozen=True, kw_only=True)
class LampNight:
    """One lamp, one night from solar noon to solar noon; times are UTC seconds."""

    node: str
    noon_s: int
    dark_from_s: int | None
    """Sun under -6 deg, from and to; None: the sun doesn't get there."""
    dark_to_s: int | None
    lit: tuple[tuple[int, int], ...]
    """Spans told lit. What is in neither is a gap, daylight, or can't be told."""
    dark: tuple[tuple[int, int], ...]
    on_s: int | None
    on_deg: float | None
    """Sun's elevation at the switching; None: not seen."""
    off_s: int | None
    off_deg: float | None
    expected_on_s: int | None
    """When the lamp's habit would have it on (off) on this night."""
    expected_off_s: int | None
    habit_on_deg: float | None
    habit_off_deg: float | None
    level: float | None
    """Of the commissioning level, freed of snow and dome; None: not lit long enough."""
    level_lx: float | None
    """Upper quartile of the night's quarter hours."""
    coverage: float
    """Measured share of the dark minutes."""
    burning_s: int
    """Seconds told lit between noon and noon."""
    switch_ons: int


@dataclass(frozen=True, kw_only=True)
class NightView:
    """What is known of a night while it is read; minutes from solar noon."""

    night: int
    dark_from: int | None
    dark_to: int | None
    lit: tuple[tuple[int, int], ...]
    dark: tuple[tuple[int, int], ...]
    level_lx: float
    coverage: float


def night_views(lights: Lights, level_lx: NDArray[np.float32]) -> list[NightView]:
    """One view a night; `level_lx` is (nights,)."""
    state, is_night = lights.state, lights.grid.is_night
    return [
        NightView(
            night=night,
            dark_from=_first(is_night[night]),
            dark_to=_after_last(is_night[night]),
            lit=_spans(state.lit[night], state.dark[night]),
            dark=_spans(state.dark[night] & is_night[night], state.lit[night]),
            level_lx=float(level_lx[night]),
            coverage=_share(state.measured[night], is_night[night]),
        )
        for night in range(lights.grid.nights)
    ]


def shifted(view: NightView, by: int) -> NightView:
    """The view with its night counted from another first one."""
    return replace(view, night=view.night + by)


def lamp_night(
    node: str,
    calendar: Calendar,
    view: NightView,
    edges: dict[bool, JudgedEdge],
    level: float | None,
) -> LampNight:
    """A night for people; `edges` by evening."""
    night = view.night

    def at_s(minute: int | None) -> int | None:
        return None if minute is None else calendar.time_s(night, minute)

    def spans_s(spans: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        return tuple((calendar.time_s(night, a), calendar.time_s(night, b)) for a, b in spans)

    on, off = (edges.get(evening) for evening in (True, False))
    seen_on, seen_off = _seen(on), _seen(off)
    return LampNight(
        node=node,
        noon_s=calendar.time_s(night, 0),
        dark_from_s=at_s(view.dark_from),
        dark_to_s=at_s(view.dark_to),
        lit=spans_s(view.lit),
        dark=spans_s(view.dark),
        on_s=at_s(seen_on.minute if seen_on else None),
        on_deg=seen_on.elevation_deg if seen_on else None,
        off_s=at_s(seen_off.minute if seen_off else None),
        off_deg=seen_off.elevation_deg if seen_off else None,
        expected_on_s=at_s(on.expected if on else None),
        expected_off_s=at_s(off.expected if off else None),
        habit_on_deg=on.usual_deg if on else None,
        habit_off_deg=off.usual_deg if off else None,
        level=level,
        level_lx=view.level_lx if np.isfinite(view.level_lx) else None,
        coverage=view.coverage,
        burning_s=60 * sum(end - begin for begin, end in view.lit),
        switch_ons=len(view.lit),
    )


def _seen(judged: JudgedEdge | None) -> Edge | None:
    return judged.edge if judged is not None and judged.edge.sight is Sight.SEEN else None


def _first(mask: Mask) -> int | None:
    return int(mask.argmax()) if mask.any() else None


def _after_last(mask: Mask) -> int | None:
    return MINUTES - int(mask[::-1].argmax()) if mask.any() else None


def _share(measured: Mask, of: Mask) -> float:
    return float(measured[of].mean()) if of.any() else 0.0


def _spans(mask: Mask, against: Mask) -> tuple[tuple[int, int], ...]:
    """Spans of a mask, joined over a few minutes without evidence against it."""
    change = np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))
    spans: list[tuple[int, int]] = []
    begins, ends = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        if spans:
            last = spans[-1][1]
            if begin - last <= _BRIDGED_MIN and not against[last:begin].any():
                spans[-1] = (spans[-1][0], end)
                continue
        spans.append((begin, end))
    return tuple(spans)
