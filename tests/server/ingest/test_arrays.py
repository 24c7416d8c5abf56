"""Binary arrays come out of PostgreSQL as they went in."""

import datetime as dt
from typing import Any

import numpy as np
import pytest

from server.ingest.arrays import (
    BoolArray,
    Float4Array,
    Float8Array,
    Int2Array,
    Int4Array,
    Int8Array,
    PgArray,
    TextArray,
    TimestampArray,
)
from tests.server.ingest.testlab import Lab

pytestmark = pytest.mark.db

CASES: dict[str, tuple[PgArray, list[Any]]] = {
    "smallint": (Int2Array([-1, 0, 32767]), [-1, 0, 32767]),
    "integer": (Int4Array([-1, 2**31 - 1]), [-1, 2**31 - 1]),
    "bigint": (Int8Array([2**63 - 1, -1]), [2**63 - 1, -1]),
    "real": (Float4Array([0.5, -40.0]), [0.5, -40.0]),
    "double": (Float8Array([1e10, 0.1]), [1e10, 0.1]),
    "text": (TextArray(["", "lamp", None, "20 µPa"]), ["", "lamp", None, "20 µPa"]),
    "boolean": (BoolArray([True, None, False]), [True, None, False]),
    "empty numbers": (Int4Array([]), []),
    "empty text": (TextArray([]), []),
}


@pytest.mark.parametrize(("array", "expected"), CASES.values(), ids=CASES.keys())
def test_an_array_keeps_its_values(lab: Lab, array: PgArray, expected: list[Any]) -> None:
    row = lab.conn.execute("SELECT %s", (array,)).fetchone()
    assert row == (expected,)


def test_times_keep_their_milliseconds(lab: Lab) -> None:
    moments = [
        dt.datetime(1999, 12, 31, 23, 59, 59, 1000, tzinfo=dt.UTC),
        dt.datetime(2026, 3, 29, 1, 0, 0, 999_000, tzinfo=dt.UTC),
    ]
    array = TimestampArray(np.array([round(m.timestamp() * 1000) for m in moments]))

    row = lab.conn.execute("SELECT %s", (array,)).fetchone()

    assert row == (moments,)


def test_a_number_too_large_for_its_column_is_refused() -> None:
    with pytest.raises(OverflowError):
        Int4Array([2**31])
