"""Randomisation: exact shares, the least p, and intervals by turning the test around."""

from math import comb

import numpy as np
import pytest

from server.evaluation.errors import BadRequest
from server.evaluation.randomisation import assignments, interval, mean_differences, p_value


def arms(treated: int, sites: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([1.0] * treated + [0.0] * (sites - treated))


@pytest.mark.parametrize(("treated", "sites"), [(1, 6), (2, 8), (3, 9), (5, 13)])
def test_every_assignment_is_gone_through_once(treated: int, sites: int) -> None:
    sets = assignments(arms(treated, sites), seed=1)
    assert sets.exact
    assert len({tuple(row) for row in sets.treated}) == len(sets.treated) == comb(sites, treated)
    assert list(sets.treated[0]) == list(arms(treated, sites))
    assert sets.smallest_p == 1 / comb(sites, treated)


def test_the_greatest_difference_reaches_the_least_p() -> None:
    # 2 of 8: 1/28 = .036, the figure of the notes
    sets = assignments(arms(2, 8), seed=1)
    values = np.array([9.0, 8, 1, 2, 3, 1, 2, 3.5])
    assert p_value(mean_differences(values, sets), sets) == pytest.approx(1 / 28)


def test_equal_sites_give_p_one() -> None:
    sets = assignments(arms(2, 6), seed=1)
    assert p_value(mean_differences(np.full(6, 0.1), sets), sets) == 1.0


def test_many_sites_are_drawn_by_the_seed() -> None:
    one, other = (assignments(arms(10, 24), seed=7) for _ in range(2))
    assert not one.exact
    assert one.smallest_p == 1 / 10_000
    assert np.array_equal(one.treated, other.treated)
    assert not np.array_equal(one.treated, assignments(arms(10, 24), seed=8).treated)


def test_the_interval_holds_what_the_test_keeps() -> None:
    rng = np.random.default_rng(3)
    treated = arms(5, 13)
    values = rng.normal(0, 1, 13) + 2 * treated
    sets = assignments(treated, seed=1)
    low, high = interval(values, treated, sets, level=0.95)
    for effect, kept in ((low - 0.01, False), (low + 0.01, True), (high - 0.01, True),
                         (high + 0.01, False)):  # fmt: skip
        p = p_value(mean_differences(values - effect * treated, sets), sets)
        assert (p > 0.05) is kept


def test_too_few_sites_have_no_interval() -> None:
    treated = arms(1, 6)
    sets = assignments(treated, seed=1)
    assert interval(np.arange(6.0), treated, sets, level=0.95) == (-np.inf, np.inf)


def test_one_arm_alone_is_refused() -> None:
    with pytest.raises(BadRequest, match="treated and control sites"):
        assignments(np.ones(4), seed=1)
