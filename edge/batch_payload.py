"""A slice of the spool as the payload that goes to the broker, or onto a stick."""

import msgspec

from contract.batch import BatchRange, Header, encode_batch
from edge.spool_answers import Slice


def payload_of(batch: Slice, nonce: str | None = None) -> bytes:
    """The message's payload."""
    header = Header(
        v=1,
        spool=batch.spool,
        boot=batch.origin.boot,
        rev=batch.origin.rev,
        low=batch.low,
        nonce=nonce,
        sens_db=batch.origin.sens_db,
    )
    return encode_batch(header, [msgspec.Raw(blob) for blob in batch.blobs])


def properties_of(batch: Slice) -> list[tuple[str, str]]:
    """Its MQTT 5 user properties: the range it speaks for."""
    return BatchRange(batch.spool, batch.first, batch.last, batch.low).as_user_properties()
