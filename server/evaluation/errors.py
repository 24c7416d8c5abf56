"""What `msl evaluate` says in one line when the input is at fault."""

from server.errors import MslError


class BadTable(MslError):
    """A CSV that can't be read as numbers; the message names row and column."""


class BadRequest(MslError):
    """Options that contradict each other or the data."""
