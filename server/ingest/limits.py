"""When a batch is full, and when the dead letter is."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of one ingester.

    Attributes:
        linger_s: How long a batch that isn't full waits for more.
    """

    batch_rows: int
    batch_messages: int
    linger_s: float
    dead_letter_max_rows: int
