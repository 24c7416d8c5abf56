"""The one error that decoding raises, whatever came in."""

# What a node sent may be quoted in a message that is logged and stored: no longer than this, and
# printable, since PostgreSQL refuses NUL and a terminal obeys control characters.
MAX_REASON_CHARS = 300


class DecodeError(ValueError):
    """A payload, or one record in it, is not what the contract says.

    Attributes:
        field: Path of the offending field, such as `records[3].lux_p50`; `payload` for the whole.
        reason: What was seen there.
    """

    def __init__(self, field: str, reason: str) -> None:
        self.field = printable(field, MAX_REASON_CHARS)
        self.reason = printable(reason, MAX_REASON_CHARS)
        super().__init__(f"{self.field}: {self.reason}")


def printable(text: str, max_chars: int) -> str:
    """`text` with its control characters spelt out, cut to `max_chars`."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown if len(shown) <= max_chars else shown[: max_chars - 1] + "…"
