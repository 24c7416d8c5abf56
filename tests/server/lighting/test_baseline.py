import copy

import numpy as np
from numpy.typing import NDArray

from server.lighting.baseline import Baseline, learn
from server.lighting.levels import BINS


def nights(n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(3)
    bins = np.full((n, BINS), np.nan, dtype=np.float32)
    bins[:, 24:72] = np.log(20 * (1 + 0.02 * rng.standard_normal((n, 48))))
    return bins, np.full(n, 19.0, dtype=np.float32)


def test_learning_on_from_a_stored_baseline_is_learning_from_the_start() -> None:
    bins, steps = nights(40)
    whole, first = Baseline(), Baseline()
    all_nights = learn(whole, bins, steps)
    learn(first, bins[:25], steps[:25])
    rest = learn(copy.deepcopy(first), bins[25:], steps[25:])
    np.testing.assert_array_equal(rest.limits.dark_lx, all_nights.limits.dark_lx[25:])
    np.testing.assert_array_equal(rest.ratio_log, all_nights.ratio_log[25:])


def test_dark_nights_teach_nothing() -> None:
    bins, steps = nights(20)
    baseline = Baseline()
    learn(baseline, bins, steps)
    before = baseline.habit.copy()
    learn(
        baseline,
        np.where(np.isnan(bins), bins, np.log(0.3)).astype(np.float32),
        np.full_like(steps, np.nan),
    )
    np.testing.assert_array_equal(baseline.habit, before)


def test_nothing_is_learned_where_no_lamp_switches() -> None:
    bins, steps = nights(20)
    baseline = Baseline()
    learn(baseline, bins, np.full_like(steps, np.nan))
    assert not baseline.learned
