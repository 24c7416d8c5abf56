"""Which records are not to be believed yet, and why: they are kept aside, never dropped."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contract.flags import Flag, flags_to_bits
from contract.limits import MAX_AHEAD_S
from server.ingest.rows import Mask, Rows

REASONS = ("", "clock_unsynced", "ahead", "before_creation", "sealed", "short")
ACCEPTED = 0


def hold_reasons(
    rows: Rows, created_ms: Sequence[int], sealed_before_ms: int, short: Mask
) -> NDArray[np.int8]:
    """Per row, an index into `REASONS`; 0 is accepted.

    Args:
        created_ms: Per key: when the registry says that the node came into being. A window that
            contains this moment is fine: its node was switched on within it.
        sealed_before_ms: Raw data of this stream before this moment is gone or going.
        short: Rows whose counts would follow single people, whatever their time.
    """
    created = np.array(created_ms, dtype=np.int64)[rows.key]
    unsynced = (rows.flags & flags_to_bits([Flag.CLOCK_UNSYNCED])) != 0
    ahead = rows.t_ms > rows.received_ms + MAX_AHEAD_S * 1000
    before_creation = rows.t_ms + rows.dur_s * 1000 < created
    sealed = rows.t_ms < sealed_before_ms
    # A clock that the node itself doubts explains a strange time better than the time does.
    reasons = [short, unsynced, ahead, before_creation, sealed]
    return np.select(reasons, [5, 1, 2, 3, 4], ACCEPTED).astype(np.int8)
