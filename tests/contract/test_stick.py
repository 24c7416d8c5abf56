"""The file on a stick: read back as written, and any change is noticed and named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import topics
from contract.stick import Batch, Head, StickDamaged, StickWriter, read_stick
from contract.streams import Stream

NODE, SPOOL = "lamp-01", "aaaaaaaa"
PROPERTIES = [("spool", SPOOL), ("first", "1"), ("last", "2"), ("low", "1")]


def written(*payloads: bytes, topic: str = topics.up(NODE, Stream.LIGHT)) -> list[bytes]:
    writer = StickWriter()
    lines = [writer.head(NODE, SPOOL, 1_800_000_000_000)]
    lines += [writer.batch(topic, PROPERTIES, payload) for payload in payloads]
    return [*lines, writer.end()]


def damage(lines: list[bytes]) -> tuple[str, int]:
    with pytest.raises(StickDamaged) as found:
        list(read_stick(lines))
    return str(found.value), found.value.batches_n


def test_what_was_written_is_read() -> None:
    head, *batches = read_stick(written(b"{}", bytes(range(256))))
    assert isinstance(head, Head)
    assert (head.node, head.spool) == (NODE, SPOOL)
    assert [b.payload for b in batches if isinstance(b, Batch)] == [b"{}", bytes(range(256))]
    assert all(isinstance(b, Batch) and b.properties == PROPERTIES for b in batches)


@given(data=st.data())
def test_no_changed_byte_goes_unnoticed(data: st.DataObject) -> None:
    whole = b"".join(written(b"first", b"second"))
    at = data.draw(st.integers(0, len(whole) - 2))  # the last end of line carries nothing
    value = data.draw(st.integers(0, 255).filter(lambda v: v != whole[at]))
    changed = whole[:at] + bytes([value]) + whole[at + 1 :]
    with pytest.raises(StickDamaged):
        list(read_stick(changed.splitlines(keepends=True)))


@given(length=st.integers(0, len(b"".join(written(b"first", b"second"))) - 1))
def test_no_cut_goes_unnoticed(length: int) -> None:
    cut = b"".join(written(b"first", b"second"))[:length]
    with pytest.raises(StickDamaged):
        list(read_stick(cut.splitlines(keepends=True)))


def test_the_batch_is_named() -> None:
    lines = written(b"first", b"second", b"third")
    assert damage(lines[:3]) == ("cut off after batch 2: there is no last line", 2)
    assert damage([*lines[:2], lines[3], lines[4]]) == (
        "the last line counts 3 batches, 2 are here",
        2,
    )
    lines[2] = lines[2].replace(b'"first","1"', b'"first","9"')
    assert damage(lines) == ("batch 2 has changed since it was written (SHA-256)", 1)


@pytest.mark.parametrize(
    "topic",
    [topics.up("lamp-02", Stream.LIGHT), topics.up(NODE, topics.STATUS), "msl/v1/x"],
    ids=["another node's", "unsequenced", "not ours"],
)
def test_only_streams_of_the_node_named_at_the_top_are_taken(topic: str) -> None:
    said, batches_n = damage(written(b"{}", topic=topic))
    assert said == f"batch 1 has topic '{topic}', which is no stream of {NODE}"
    assert batches_n == 0


def test_another_file_is_no_stick_file() -> None:
    said, _ = damage([b"t,lux\n"])
    assert said.startswith("the first line can't be read: ")
