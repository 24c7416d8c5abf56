"""Values as an export gives them: flags by name, everything else as the database has it."""

import functools
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from contract.flags import bits_to_flags
from server.export.columns import Column


def converted(columns: Sequence[Column], block: Sequence[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """The rows of `block` with what its columns need done."""
    special = [
        (i, column.kind) for i, column in enumerate(columns) if column.kind in ("flags", "int")
    ]
    for row in block:
        values = list(row)
        for i, kind in special:
            if kind == "flags":
                values[i] = flag_names(values[i])
            elif isinstance(values[i], Decimal):  # sums of integers are numeric in SQL
                values[i] = int(values[i])
        yield values


@functools.lru_cache(maxsize=2048)
def flag_names(bits: int) -> str:
    """`DARK|SIMULATED`; empty when there is none."""
    return "|".join(bits_to_flags(bits))
