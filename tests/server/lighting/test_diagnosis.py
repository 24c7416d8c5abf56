from collections.abc import Callable

import numpy as np
import pytest

from server.lighting.diagnosis import Samples, diagnose
from server.lighting.episodes import Episode, Kind

# Hours count from 11:00 UTC, so 10 is 21:00 and 16 is 03:00.
EVENING_H, DEEP_H, BEFORE_DAWN_H = 10.0, 14.0, 17.0


def told(street, samples: dict[str, Samples]) -> list[Episode]:  # type: ignore[no-untyped-def]
    return diagnose(samples, *street.place).episodes


def test_a_healthy_lamp_has_no_episode(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(120)
    assert told(here, {"a": here.samples(here.lit())}) == []


def test_a_dead_lamp_is_one_episode_over_nights_and_a_gap(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(60)
    lit = here.lit()
    fails, back = here.minute(30, EVENING_H), here.minute(36, DEEP_H)
    lit[fails:back] = 0
    whole = here.samples(lit)
    gap = slice(here.minute(32), here.minute(34, DEEP_H))
    keep = np.ones(lit.size, dtype=bool)
    keep[gap] = False
    (episode,) = told(here, {"a": Samples(t_s=whole.t_s[keep], lux=whole.lux[keep])})
    assert episode.kind is Kind.LAMP_FAILURE
    assert episode.from_s == pytest.approx(int(here.t_s[fails]), abs=120)
    assert episode.to_s == pytest.approx(int(here.t_s[back]), abs=180)
    assert episode.raised_s - episode.from_s <= 15 * 60
    assert episode.closed_by == "lit again"


def test_a_gap_is_never_an_outage(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(60)
    whole = here.samples(here.lit())
    keep = np.ones(whole.t_s.size, dtype=bool)
    keep[here.minute(30, EVENING_H) : here.minute(33, DEEP_H)] = False
    assert told(here, {"a": Samples(t_s=whole.t_s[keep], lux=whole.lux[keep])}) == []


def test_a_lamp_still_out_has_no_end(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(40)
    lit = here.lit()
    lit[here.minute(37) :] = 0
    (episode,) = told(here, {"a": here.samples(lit)})
    assert (episode.kind, episode.to_s) == (Kind.LAMP_FAILURE, None)


def test_part_night_lighting_is_a_habit_and_no_fault(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(90)
    hour = here.t_s / 3600 % 24
    assert told(here, {"a": here.samples(here.lit() * ~((hour > 23) | (hour < 4)))}) == []


def test_dimming_that_moves_with_summer_time_is_no_fault(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(120)
    summer = np.arange(here.t_s.size) > here.minute(79)
    hour = (here.t_s / 3600 + summer) % 24
    dim = np.where((hour > 22) | (hour < 4), 0.35, 1.0)
    assert told(here, {"a": here.samples(here.lit() * dim)}) == []


def test_a_day_burner_is_told_by_the_next_dusk(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(60)
    lit = here.lit()
    sticks = here.minute(30, DEEP_H)
    lit[sticks : here.minute(34, EVENING_H)] = 1
    (episode,) = told(here, {"a": here.samples(lit)})
    assert episode.kind is Kind.UNEXPECTED_ON
    assert episode.raised_s - int(here.t_s[sticks]) < 20 * 3600
    assert episode.to_s is not None


def test_cycling_is_one_episode_and_no_outage(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(60)
    lit = here.lit()
    for day in (30, 31, 33):
        for off in range(here.minute(day, EVENING_H), here.minute(day, DEEP_H), 20):
            lit[off : off + 6] = 0
    (episode,) = told(here, {"a": here.samples(lit)})
    assert episode.kind is Kind.CYCLING
    assert episode.evidence["nights"] == 3
    assert episode.raised_s - episode.from_s < 3600


def test_a_weak_lamp_is_told_after_fourteen_nights(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(90)
    lit = here.lit()
    lit[here.minute(40) :] *= 0.6
    (episode,) = told(here, {"a": here.samples(lit)})
    assert episode.kind is Kind.LEVEL_LOW
    assert (episode.raised_s - int(here.t_s[here.minute(40)])) / 86_400 < 15
    assert episode.evidence["worst_level_of_commissioning"] == pytest.approx(0.6, abs=0.03)


def test_a_stronger_new_lamp_is_the_new_commissioning_value(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(150)
    lit = here.lit()
    lit[here.minute(40) :] *= 1.6
    lit[here.minute(90) :] *= 0.7
    (episode,) = told(here, {"a": here.samples(lit)})
    assert episode.kind is Kind.LEVEL_LOW
    assert episode.from_s > int(here.t_s[here.minute(88)])


@pytest.mark.parametrize(
    ("minutes", "evening", "kind"),
    [
        (40, True, Kind.SWITCHING_LATE),
        (-40, False, Kind.SWITCHING_EARLY),
    ],
    ids=["late on", "early off"],
)
def test_wrong_switching_is_told_on_the_third_night(
    street: Callable,  # type: ignore[type-arg]
    minutes: int,
    evening: bool,
    kind: Kind,
) -> None:
    here = street(60)
    lit = here.lit()
    moved = lit * np.roll(lit, minutes)
    span = slice(here.minute(30), here.minute(40))
    lit[span] = moved[span]
    (episode,) = told(here, {"a": here.samples(lit)})
    assert episode.kind is kind
    assert episode.evidence["edge"] == ("on" if evening else "off")
    assert 2 < (episode.raised_s - int(here.t_s[here.minute(30)])) / 86_400 < 3


def test_neighbours_that_fall_together_are_a_feeder_fault(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(40)
    dark = here.lit()
    dark[here.minute(30, EVENING_H) : here.minute(31, EVENING_H)] = 0
    samples = {f"n{i}": here.samples(dark if i < 3 else here.lit(), seed=i) for i in range(6)}
    found = told(here, samples)
    assert [(one.node, one.kind) for one in found] == [
        (node, Kind.FEEDER) for node in ("n0", "n1", "n2")
    ]
    assert {one.lamps for one in found} == {("n0", "n1", "n2")}


def test_lamps_that_fail_hours_apart_are_no_feeder_fault(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(40)
    samples = {f"n{i}": here.samples(here.lit(), seed=i) for i in range(6)}
    for index in range(3):
        lit = here.lit()
        lit[here.minute(30, EVENING_H + index) : here.minute(33)] = 0
        samples[f"n{index}"] = here.samples(lit, seed=index)
    assert {one.kind for one in told(here, samples)} == {Kind.LAMP_FAILURE}


def test_two_lamps_that_go_out_in_the_same_minute_are_a_feeder_fault(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(40)
    dark = here.lit()
    dark[here.minute(30, EVENING_H) : here.minute(30, DEEP_H)] = 0
    samples = {f"n{i}": here.samples(dark if i < 2 else here.lit(), seed=i) for i in range(6)}
    assert [(one.node, one.kind) for one in told(here, samples)] == [
        ("n0", Kind.FEEDER),
        ("n1", Kind.FEEDER),
    ]


def test_an_alarm_stands_on_the_samples_up_to_it(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(60)
    lit = here.lit()
    lit[here.minute(45, EVENING_H) :] = 0
    whole = here.samples(lit)
    (episode,) = told(here, {"a": whole})
    known = whole.t_s <= episode.raised_s
    (then,) = told(here, {"a": Samples(t_s=whole.t_s[known], lux=whole.lux[known])})
    assert (then.kind, then.from_s) == (episode.kind, episode.from_s)


def test_recomputing_gives_the_same_episodes(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(60)
    lit = here.lit()
    lit[here.minute(30, EVENING_H) : here.minute(33)] = 0
    samples = {"a": here.samples(lit)}
    assert told(here, samples) == told(here, samples)


def test_nights_that_do_not_darken_are_said(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(200, (65.0, 25.0))
    found = diagnose({"a": here.samples(here.lit())}, *here.place)
    (span,) = found.no_night
    assert 60 < (span[1] - span[0]) / 86_400 < 110


def test_a_place_without_a_lamp_is_never_lit(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(30)
    found = diagnose({"a": here.samples(0 * here.lit())}, *here.place)
    assert (found.never_lit, found.episodes) == (["a"], [])
