"""User properties of a batch: honest claims come through, lies account for nothing."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.batch import BatchRange
from contract.limits import MAX_RECORDS_PER_BATCH, MAX_SEQ
from tests.strategies import ranges

HONEST = BatchRange(spool="abcdefgh", first=10, last=19, low=5)
NAMES = [field.name for field in dataclasses.fields(BatchRange)]


def claimed(**changed: str) -> BatchRange | None:
    """What becomes of HONEST with some properties changed."""
    properties = dict(HONEST.as_user_properties()) | changed
    return BatchRange.from_user_properties(properties.items())


@given(bounds=ranges())
def test_honest_range_round_trips(bounds: dict[str, int]) -> None:
    batch_range = BatchRange(spool="abcdefgh", **bounds)
    assert BatchRange.from_user_properties(batch_range.as_user_properties()) == batch_range


def test_other_properties_are_ignored() -> None:
    properties = [("trace", "x"), *HONEST.as_user_properties(), ("trace", "y")]
    assert BatchRange.from_user_properties(properties) == HONEST


@pytest.mark.parametrize("name", NAMES)
def test_missing_property_makes_no_range(name: str) -> None:
    properties = [pair for pair in HONEST.as_user_properties() if pair[0] != name]
    assert BatchRange.from_user_properties(properties) is None


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param({"last": "9"}, id="last before first"),
        pytest.param({"last": str(9 + MAX_RECORDS_PER_BATCH + 1)}, id="wider than a batch"),
        pytest.param({"low": "11"}, id="low beyond first"),
        pytest.param({"first": "0", "low": "0"}, id="zero"),
        pytest.param({"first": "-1"}, id="negative"),
        pytest.param({"first": "ten"}, id="word"),
        pytest.param({"first": ""}, id="empty"),
        pytest.param({"first": "1" * 5000}, id="5000 digits"),
        pytest.param({"first": str(MAX_SEQ + 1), "last": str(MAX_SEQ + 1)}, id="beyond the bound"),
        pytest.param({"first": "\uff11\uff10"}, id="full-width digits"),
        pytest.param({"first": "10.5"}, id="fraction"),
        pytest.param({"spool": "abcdefgh\n"}, id="spool with a newline"),
        pytest.param({"spool": "ABCDEFGH"}, id="spool in upper case"),
        pytest.param({"spool": ""}, id="no spool"),
    ],
)
def test_lie_makes_no_range(lie: dict[str, str]) -> None:
    assert claimed() == HONEST
    assert claimed(**lie) is None


def test_widest_honest_batch_is_believed() -> None:
    widest = claimed(last=str(9 + MAX_RECORDS_PER_BATCH))
    assert widest is not None
    assert widest.last - widest.first + 1 == MAX_RECORDS_PER_BATCH


@given(st.lists(st.tuples(st.sampled_from([*NAMES, "x"]), st.text(max_size=20)), max_size=8))
def test_any_properties_make_a_sound_range_or_none(properties: list[tuple[str, str]]) -> None:
    found = BatchRange.from_user_properties(properties)
    assert found is None or 1 <= found.low <= found.first <= found.last <= MAX_SEQ
