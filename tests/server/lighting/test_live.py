from collections.abc import Callable

import numpy as np
import pytest

from server.lighting.diagnosis import Samples, diagnose
from server.lighting.live import HistoryNeeded, LampState, SiteWatch

EVENING_H = 10.0


def until(samples: dict[str, Samples], last: int) -> dict[str, Samples]:
    return {node: Samples(t_s=one.t_s[:last], lux=one.lux[:last]) for node, one in samples.items()}


@pytest.fixture
def lamps(street: Callable) -> tuple[object, dict[str, Samples]]:  # type: ignore[type-arg]
    here = street(40)
    faulty = here.lit()
    faulty[here.minute(34, EVENING_H) : here.minute(36)] = 0
    return here, {"a": here.samples(faulty), "b": here.samples(here.lit(), seed=2)}


def test_a_watch_says_what_a_full_run_says(lamps) -> None:  # type: ignore[no-untyped-def]
    here, samples = lamps
    begin, end = here.minute(33), here.minute(38)
    watch = SiteWatch.start(until(samples, begin), *here.place)
    for first in range(begin, end, 180):
        for node, one in samples.items():
            span = slice(first, min(first + 180, end))
            watch.take(node, one.t_s[span], one.lux[span])
    full = diagnose(until(samples, end), *here.place)
    assert full.episodes
    assert watch.episodes() == full.episodes
    assert watch.diagnosis() == full


def test_a_record_changes_the_lamps_state(lamps) -> None:  # type: ignore[no-untyped-def]
    here, samples = lamps
    before = here.minute(34, EVENING_H)
    watch = SiteWatch.start(until(samples, before), *here.place)
    assert watch.now("a").state is LampState.LIT
    one = samples["a"]
    now = watch.take("a", one.t_s[before : before + 1], one.lux[before : before + 1])
    assert (now.state, now.since_s) == (LampState.OUT, int(one.t_s[before]))


def test_samples_of_before_the_open_nights_need_the_history(lamps) -> None:  # type: ignore[no-untyped-def]
    here, samples = lamps
    watch = SiteWatch.start(until(samples, here.minute(38)), *here.place)
    with pytest.raises(HistoryNeeded, match="a: samples of before its newest nights"):
        watch.take("a", samples["a"].t_s[:1], samples["a"].lux[:1])
    with pytest.raises(HistoryNeeded, match="c: not seen at this site before"):
        watch.take("c", np.array([here.t_s[0]]), np.array([1.0], dtype=np.float32))
