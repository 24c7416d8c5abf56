"""The benchmark that watches the node over hours: it runs, and it would notice growth."""

import pytest

from benchmarks.soak import ALLOWED_BYTES, Sample, growths, soak


def _samples(uss: list[int], fds: list[int]) -> list[Sample]:
    return [Sample("vision", "people", u, f, 3) for u, f in zip(uss, fds, strict=True)]


def test_a_leak_of_memory_is_noticed() -> None:
    (found,) = growths(_samples([10**8 + n * ALLOWED_BYTES // 10 for n in range(40)], [5] * 40))
    assert found.grows


def test_one_descriptor_more_is_noticed() -> None:
    (found,) = growths(_samples([10**8] * 40, [5] * 25 + [6] * 15))
    assert (found.fds_growth, found.grows) == (1, True)


def test_a_level_that_wanders_is_no_growth() -> None:
    (found,) = growths(_samples([10**8 + (n % 7) * 50_000 for n in range(40)], [5] * 40))
    assert not found.grows


@pytest.mark.timeout(240)
def test_minutes_of_the_real_node_do_not_grow_and_every_process_is_watched() -> None:
    result = soak(0.2, "background", say=False)
    watched = {(each.process, each.stretch) for each in result.processes}
    assert {("agent", "people"), ("camera", "people"), ("vision", "people")} <= watched
    # So short a run is mostly start, and the agent looks for its broker: only the frame holders.
    held = [each for each in result.processes if each.process in ("camera", "vision")]
    assert all(each.fds_growth <= 0 and each.threads_growth <= 0 for each in held), held
