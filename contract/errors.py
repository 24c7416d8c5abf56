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
        self.field = _printable(field)
        self.reason = _printable(reason)
        super().__init__(f"{self.field}: {self.reason}")


def _printable(text: str) -> str:
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown if len(shown) <= MAX_REASON_CHARS else shown[: MAX_REASON_CHARS - 1] + "…"
