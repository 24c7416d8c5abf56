"""Sets of `seq` as runs: what the ledger keeps as multiranges."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

# First and last `seq`, both included.
Run = tuple[int, int]


def runs_by_key(key: NDArray[np.intp], seq: NDArray[np.int64], keys_n: int) -> list[list[Run]]:
    """The unbroken runs of `seq` of each key.

    Args:
        key, seq: (rows,), sorted by key, then seq, without repeats.
        keys_n: How many keys there are; a key without rows gets no runs.
    """
    runs: list[list[Run]] = [[] for _ in range(keys_n)]
    if not len(seq):
        return runs
    breaks = (np.diff(key) != 0) | (np.diff(seq) != 1)
    starts = np.concatenate(([0], np.flatnonzero(breaks) + 1))
    ends = np.concatenate((starts[1:] - 1, [len(seq) - 1]))
    for k, first, last in zip(
        key[starts].tolist(), seq[starts].tolist(), seq[ends].tolist(), strict=True
    ):
        runs[k].append((first, last))
    return runs


def within(seq: NDArray[np.int64], runs: Sequence[Run]) -> NDArray[np.bool_]:
    """Which of `seq` lie in `runs`, which are sorted and apart from each other."""
    if not runs:
        return np.zeros(len(seq), dtype=np.bool_)
    firsts, lasts = np.array(runs, dtype=np.int64).T
    at = np.searchsorted(firsts, seq, side="right") - 1
    found: NDArray[np.bool_] = (at >= 0) & (seq <= lasts[at])
    return found


def to_multirange(runs: Iterable[Run]) -> str:
    """Runs, in any order and overlapping or not, as a literal of int8multirange."""
    return "{" + ",".join(f"[{first},{last + 1})" for first, last in runs) + "}"
