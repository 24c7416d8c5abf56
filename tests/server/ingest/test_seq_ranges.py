"""Runs against plain sets of integers."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from server.ingest.seq_ranges import runs_by_key, to_multirange, within

SEQS = st.sets(st.integers(1, 60), max_size=40)


@given(st.lists(SEQS, min_size=1, max_size=4))
def test_runs_cover_each_keys_seqs_and_nothing_else(sets: list[set[int]]) -> None:
    pairs = sorted((key, seq) for key, seqs in enumerate(sets) for seq in seqs)
    key = np.array([k for k, _ in pairs], dtype=np.intp)
    seq = np.array([s for _, s in pairs], dtype=np.int64)

    runs = runs_by_key(key, seq, len(sets))

    for own, expected in zip(runs, sets, strict=True):
        assert [s for first, last in own for s in range(first, last + 1)] == sorted(expected)
        # Apart from each other: no run begins where another ends.
        assert all(b[0] > a[1] + 1 for a, b in itertools.pairwise(own))


@given(SEQS, SEQS)
def test_within_is_membership(known: set[int], asked: set[int]) -> None:
    seq = np.array(sorted(known), dtype=np.int64)
    (runs,) = runs_by_key(np.zeros(len(seq), dtype=np.intp), seq, 1)
    wanted = np.array(sorted(asked), dtype=np.int64)

    assert within(wanted, runs).tolist() == [s in known for s in sorted(asked)]


def test_a_multirange_ends_after_the_last_seq() -> None:
    assert to_multirange([(1, 3), (7, 7)]) == "{[1,4),[7,8)}"
    assert to_multirange([]) == "{}"
