"""A site of lamps over some months: what each sensor read, and what was true.

`make_site` puts sky, lamps, faults, surroundings and sensors together. Everything follows from the
seed; the truth is kept beside the readings and only for what the readings could show.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from benchmarks.lighting import faults as f
from benchmarks.lighting import surroundings
from benchmarks.lighting.lamps import Controller, Lamp, commanded, dimmed, run_up
from benchmarks.lighting.sensor import SENSORS, gaps, read
from benchmarks.lighting.sky import MINUTES_A_DAY, Sky, make_sky

Flags = NDArray[np.bool_]
Series = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """One fault as it was; `told` says whether the readings could show it at all."""

    node: str
    kind: str
    from_s: int
    to_s: int
    told: bool
    tellable_s: int
    """First moment at which it can be told: within it, sun < -6 deg, lamp told to burn."""
    how: str = ""


@dataclass(frozen=True, kw_only=True)
class Site:
    """Readings and truth of one site."""

    name: str
    lat_deg: float
    lon_deg: float
    t_s: NDArray[np.int64]
    lux: dict[str, NDArray[np.float32]]
    """By node; NaN where no record arrived."""
    feeders: dict[str, str]
    truths: list[Truth]
    traits: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By node: the confounders and the kind of lamp it got."""


def make_site(
    seed: int, *, lat_deg: float, lon_deg: float = 10.0, n_lamps: int = 8, n_days: int = 365,
    start: str = "2025-01-01", faults_a_year: float = 3.0,
) -> Site:  # fmt: skip
    """A site by its seed; `start` is a UTC date."""
    rng = np.random.default_rng([seed, 77])
    begin_s = int(datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp())
    t_s = begin_s + 60 * np.arange(n_days * MINUTES_A_DAY, dtype=np.int64)
    sky = make_sky(rng, t_s, lat_deg, lon_deg)
    ground, covered = surroundings.snow(rng, sky, lat_deg)
    fireworks = surroundings.fireworks_lx(rng, sky, lon_deg)
    shared_clock = _controller(rng, by_clock=True) if rng.random() < 0.4 else None
    feeder_names = ["feeder-a", "feeder-b"]
    outages = f.draw_feeder_faults(rng, t_s.size, feeder_names, a_year=0.35 * faults_a_year / 3)
    lux, feeders, traits = {}, {}, {}
    truths: list[Truth] = []
    for index in range(n_lamps):
        node = f"lamp-{index:02d}"
        feeders[node] = feeder_names[index * 2 // n_lamps]
        own_outages = [fault for fault in outages if fault.feeder == feeders[node]]
        lamp = _lamp(rng, shared_clock)
        place = _Place.draw(rng, sky, lamp, lat_deg, lon_deg, ground, covered, fireworks)
        own = f.draw_lamp_faults(rng, t_s.size, own_outages, a_year=faults_a_year)
        lux[node], found = _record(rng, node, lamp, place, sky, lon_deg, [*own_outages, *own])
        truths += found
        traits[node] = (*place.traits, lamp.technology, _habit(lamp))
    return Site(
        name=f"seed {seed} at {lat_deg:g} deg", lat_deg=lat_deg, lon_deg=lon_deg, t_s=t_s, lux=lux,
        feeders=feeders, truths=truths, traits=traits,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a sensor hangs: what it sees beside its lamp."""

    daylight: Series
    """Factor on the sky's daylight."""
    lamp_factor: Series
    other_lx: Series
    dome: Series
    cell_factor: float
    rough_link: bool
    sensor: int
    traits: tuple[str, ...]
    swap_min: int | None

    @classmethod
    def draw(
        cls, rng: np.random.Generator, sky: Sky, lamp: Lamp, lat_deg: float, lon_deg: float,
        ground: Series, covered: Series, fireworks: Series,
    ) -> "_Place":  # fmt: skip
        traits = ["snow"] if ground.max() > 1 else []
        view = np.exp(rng.uniform(np.log(0.04), np.log(0.8)))
        shade = 1 - sky.direct_share * (1 - surroundings.shadows(rng, sky))
        daylight, lamp_factor = view * shade * (1 + (ground - 1) * 0.6), ground.copy()
        # Neighbours' lamps and the town reach every pole a little.
        other = rng.uniform(0.005, 0.05) * lamp.full_lx + sky.night_lx * ground * min(1, view * 2)
        other = np.where(sky.sun_deg < 0, other, 0.0)
        dome = covered.copy()
        if rng.random() < 0.3:
            traits.append("headlights")
            other = other + surroundings.headlights_lx(rng, sky)
        if rng.random() < 0.2:
            traits.append("shop window")
            other = other + surroundings.shop_window_lx(rng, sky, lon_deg, lamp.full_lx)
        if rng.random() < 0.3:
            traits.append("fireworks")
            other = other + fireworks
        if rng.random() < 0.2:
            traits.append("tree")
            on_lamp, on_sky = surroundings.foliage(rng, sky, lat_deg)
            lamp_factor, daylight = lamp_factor * on_lamp, daylight * on_sky
        if rng.random() < 0.2:
            traits.append("dirty dome")
            dome = dome * surroundings.dirt(rng, sky)
        rough = bool(rng.random() < 0.2)
        if rough:
            traits.append("gaps")
        swap = None
        if rng.random() < 0.12:
            traits.append("swapped lamp")
            swap = int(
                rng.integers(40, max(41, sky.t_s.size // MINUTES_A_DAY - 20)) * MINUTES_A_DAY
            )
        # A resolution of 0.4 lx is no use beside a dim lamp; nobody would mount it there.
        sensor = int(rng.integers(0, 3)) if lamp.full_lx > 8 else int(rng.integers(0, 2))
        return cls(
            daylight=daylight, lamp_factor=lamp_factor, other_lx=other, dome=dome,
            cell_factor=float(rng.uniform(0.5, 1.0)), rough_link=rough, sensor=sensor,
            traits=tuple(traits), swap_min=swap,
        )  # fmt: skip


def _controller(rng: np.random.Generator, *, by_clock: bool) -> Controller:
    if by_clock:
        return Controller(on_deg=rng.uniform(-5.5, -1.5), off_deg=rng.uniform(-5.5, -1.5))
    on_lx = rng.choice([20.0, 35.0, 55.0]) * rng.uniform(0.8, 1.2)
    return Controller(on_lx=on_lx, off_lx=on_lx * rng.choice([0.5, 1.0, 1.5]))


def _lamp(rng: np.random.Generator, shared_clock: Controller | None) -> Lamp:
    technology = "HPS" if rng.random() < 0.35 else "LED"
    dimming: tuple[tuple[float, float, float], ...] = ()
    draw = rng.random()
    if technology == "LED" and draw < 0.45:
        level, late = rng.uniform(0.4, 0.75), float(rng.choice([22.0, 23.0, 24.0]))
        dimming = ((late, float(rng.choice([28.0, 29.0, 30.0])), level),)
    elif technology == "LED" and draw < 0.55:
        dimming = ((21.0, 23.0, 0.75), (23.0, 29.0, rng.uniform(0.3, 0.5)), (29.0, 30.0, 0.75))
    elif draw > 0.94:
        dimming = ((24.0, 29.0, 0.0),)
    return Lamp(
        technology=technology,
        full_lx=float(np.exp(rng.uniform(np.log(4), np.log(60)))),
        controller=shared_clock or _controller(rng, by_clock=bool(rng.random() < 0.2)),
        dimming=dimming,
        warmth=rng.uniform(0, 0.05) if technology == "LED" else 0.0,
    )


def _habit(lamp: Lamp) -> str:
    if not lamp.dimming:
        return "no dimming"
    return "part-night" if lamp.dimming[0][2] == 0 else "dimming"


def _record(
    rng: np.random.Generator, node: str, lamp: Lamp, place: _Place, sky: Sky, lon_deg: float,
    own: list[f.Fault],
) -> tuple[NDArray[np.float32], list[Truth]]:  # fmt: skip
    n = sky.t_s.size
    healthy = commanded(lamp, sky, place.cell_factor)
    share = dimmed(lamp, sky, lon_deg, summer_time=True)
    power, weak = healthy.copy(), np.ones(n)
    for fault in own:
        _apply(rng, fault, lamp, sky, power, weak)
    year = np.arange(n) / (365 * MINUTES_A_DAY)
    grown = np.exp(-rng.uniform(0.0, 0.04) * year)
    if place.swap_min is not None:
        grown[place.swap_min :] *= rng.uniform(1.3, 2.0) / grown[place.swap_min]
        weak[place.swap_min :] = 1.0
    season = 1 + lamp.warmth * np.cos(2 * np.pi * year)
    unsteady = 1 + 0.01 * np.sin(2 * np.pi * np.arange(n) / rng.uniform(300, 900))
    lamp_lx = lamp.full_lx * share * run_up(lamp.technology, power & (share > 0), rng)
    lamp_lx = lamp_lx * weak * grown * season * unsteady * place.lamp_factor
    day_lx = sky.daylight_lx * place.daylight
    readings = read(rng, SENSORS[place.sensor], (lamp_lx + day_lx + place.other_lx) * place.dome)
    missing = gaps(rng, n, rough=place.rough_link)
    readings[missing] = np.nan
    seen = _Seen(
        sky=sky, due=healthy & (share > 0), present=~missing, day_lx=day_lx,
        due_lx=lamp.full_lx * share, slow=lamp.technology == "HPS", swap_min=place.swap_min,
        weak=weak,
    )  # fmt: skip
    return readings, [truth for fault in own for truth in _truth(node, fault, seen, power)]


def _apply(
    rng: np.random.Generator, fault: f.Fault, lamp: Lamp, sky: Sky, power: Flags, weak: Series
) -> None:
    span = slice(fault.begin_min, fault.end_min)
    if fault.kind in (f.LAMP_FAILURE, f.FEEDER):
        power[span] = False
    elif fault.kind == f.UNEXPECTED_ON:
        power[span] = True
    elif fault.kind == f.CYCLING:
        power[span] &= ~_cycling_off(rng, sky, fault, power)
    elif fault.kind == f.LEVEL_LOW:
        length = min(weak.size, fault.end_min) - fault.begin_min
        shape = np.linspace(1, fault.level, length) if fault.gradual else fault.level
        weak[span] *= shape
    else:
        _shift(fault, sky, power)


def _cycling_off(rng: np.random.Generator, sky: Sky, fault: f.Fault, power: Flags) -> Flags:
    """Off phases of a lamp that drops out when hot; some nights it behaves."""
    length = min(power.size, fault.end_min) - fault.begin_min
    off, at = np.zeros(length, dtype=bool), 0
    quiet_until = 0
    while at < length:
        at += int(rng.integers(5, 25))
        if at >= length:
            break
        if not power[fault.begin_min + at]:
            # A new evening: it holds for a while, and one evening in six altogether.
            quiet_until = at + int(rng.integers(0, 120)) + (1000 if rng.random() < 0.16 / 60 else 0)
            continue
        if at < quiet_until:
            continue
        pause = int(rng.integers(2, 11))
        off[at : at + pause] = True
        at += pause
    return off


def _shift(fault: f.Fault, sky: Sky, power: Flags) -> None:
    """Move the on or the off edge of every night in the fault by its minutes."""
    later = fault.kind == f.SWITCHING_LATE
    n = power.size
    k = fault.shift_min if later else -fault.shift_min
    moved = power[np.clip(np.arange(n) - k, 0, n - 1)]
    grows = (fault.edge == "off") == later
    changed = power | moved if grows else power & moved
    half = sky.evening if fault.edge == "on" else ~sky.evening
    span = slice(fault.begin_min, fault.end_min)
    here = half[span]
    power[span] = np.where(here, changed[span], power[span])


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What decides whether a fault could be told from the readings."""

    sky: Sky
    due: Flags
    present: Flags
    day_lx: Series
    due_lx: Series
    """What the lamp would add if it burned."""
    slow: bool
    swap_min: int | None
    weak: Series


def _truth(node: str, fault: f.Fault, seen: _Seen, power: Flags) -> list[Truth]:
    begin, end = fault.begin_min, min(fault.end_min, power.size)
    if fault.kind == f.LEVEL_LOW:
        if seen.swap_min is not None and seen.swap_min > begin:
            end = min(end, seen.swap_min)
        low = np.flatnonzero(seen.weak[begin:end] < 0.8)
        if low.size == 0:
            return []
        begin += int(low[0])
    span = slice(begin, end)
    dark = (seen.sky.sun_deg[span] < -6) & seen.due[span] & seen.present[span]
    first = int(np.flatnonzero(dark)[0]) if dark.any() else 0
    return [
        Truth(
            node=node, kind=fault.kind, from_s=int(seen.sky.t_s[begin]),
            to_s=int(seen.sky.t_s[end - 1]) + 60, told=_tellable(fault, seen, span, dark, power),
            tellable_s=int(seen.sky.t_s[begin + first]),
            how=f"{fault.edge} {'+' if fault.kind == f.SWITCHING_LATE else '-'}{fault.shift_min}"
            if fault.edge else ("gradual" if fault.gradual else ""),
        )
    ]  # fmt: skip


def _tellable(fault: f.Fault, seen: _Seen, span: slice, dark: Flags, power: Flags) -> bool:
    """Whether the readings alone could show it; if not it is scored neither way."""
    nights = np.unique(_night(seen.sky.t_s[span][dark])).size
    if fault.kind in (f.LAMP_FAILURE, f.FEEDER):
        return int(dark.sum()) >= 30
    if fault.kind == f.CYCLING:
        drops = np.diff(power[span].astype(np.int8)) == -1
        when = _night(seen.sky.t_s[span][1:][drops & dark[1:]])
        return bool(when.size and np.unique(when, return_counts=True)[1].max() >= 4)
    if fault.kind == f.LEVEL_LOW:
        return nights >= 20
    edges = np.diff(seen.due[span].astype(np.int8)) != 0
    # The lamp must stand out of the daylight where it should have switched, or nothing shows; a
    # discharge lamp runs up while the sky falls, so its dusk needs more.
    evening = seen.sky.evening[span][1:]
    needed = np.where(evening & seen.slow, 1.0, 0.3)
    visible = seen.due_lx[span][1:] > needed * seen.day_lx[span][1:]
    shown = edges & visible & seen.present[span][1:] & (seen.sky.sun_deg[span][1:] > -9)
    shown &= _darkens(seen.sky)[span][1:]
    if fault.kind == f.UNEXPECTED_ON:
        by_day = (seen.sky.sun_deg[span] > 5).sum() > 60
        return bool(by_day and (shown & evening).any() and (shown & ~evening).any())
    half = evening == (fault.edge == "on")
    return int((shown & half).sum()) >= 4


def _darkens(sky: Sky) -> Flags:
    """Minutes whose night brings at least 45 minutes of sun under -6 deg."""
    night = _night(sky.t_s)
    dark = np.bincount(night - night[0], weights=sky.sun_deg < -6)
    return np.asarray(dark[night - night[0]] >= 45)


def _night(t_s: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the night, cut at noon (all sites lie near the meridian of Greenwich)."""
    return (t_s - 43_200) // 86_400
