"""What is valid comes back as it was, whichever way it is sent."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import messages
from contract.batch import decode_batch, encode_batch, encode_record
from contract.json import encode
from contract.streams import Stream
from tests.strategies import DECODE_MESSAGE, batches, structs

STREAMS = pytest.mark.parametrize("stream", Stream)


@STREAMS
@given(data=st.data())
def test_batch_of_structs_round_trips(stream: Stream, data: st.DataObject) -> None:
    header, records = data.draw(batches(stream))
    batch = decode_batch(stream, encode_batch(header, records))
    assert list(batch.records) == records
    assert batch.rejects == ()
    assert batch.stream is stream
    for name in header.__struct_fields__:
        assert getattr(batch.header, name) == getattr(header, name)


@STREAMS
@given(data=st.data())
def test_batch_of_spooled_records_round_trips(stream: Stream, data: st.DataObject) -> None:
    header, records = data.draw(batches(stream))
    spooled = [msgspec.Raw(encode_record(stream, record)) for record in records]
    assert list(decode_batch(stream, encode_batch(header, spooled)).records) == records


@pytest.mark.parametrize("kind", DECODE_MESSAGE, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_message_round_trips(kind: type[messages.Message], data: st.DataObject) -> None:
    message = data.draw(structs(kind))
    assert DECODE_MESSAGE[kind](encode(message)) == message


def test_every_message_of_the_contract_is_tested_here() -> None:
    kinds = set(messages.Message.__subclasses__())
    assert kinds == set(DECODE_MESSAGE)
