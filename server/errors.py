"""What the server says in one line, without a traceback."""


class MslError(Exception):
    """Something an operator can put right; the message says which thing, and what to try."""
