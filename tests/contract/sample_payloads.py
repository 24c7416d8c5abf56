"""The committed sample of each topic, as bytes, as JSON and as a decoded batch."""

import json
from pathlib import Path
from typing import Any

from contract.batch import Batch, decode_batch
from contract.streams import Stream

FOLDER = Path(__file__).parents[1] / "payloads"


def sample_bytes(name: str) -> bytes:
    """The sample as a node or server would publish it, such as `up-light`."""
    return (FOLDER / f"{name}.json").read_bytes()


def sample(name: str) -> dict[str, Any]:
    """The sample as plain JSON, to be altered by a test."""
    loaded = json.loads(sample_bytes(name))
    assert isinstance(loaded, dict)
    return loaded


def sample_batch(stream: Stream) -> Batch:
    """The sample of one stream, decoded."""
    return decode_batch(stream, sample_bytes(f"up-{stream}"))
