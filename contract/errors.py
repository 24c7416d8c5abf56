"""The one error that decoding raises, whatever came in."""


class DecodeError(ValueError):
    """A payload, or one record in it, is not what the contract says.

    Attributes:
        field: Path of the offending field, such as `records[3].lux_p50`; `payload` for the whole.
        reason: What was seen there.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
