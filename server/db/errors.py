"""What goes wrong with the database as such."""

from server.errors import MslError


class MigrationError(MslError):
    """The database can't be brought up to date; the message names the file and the way out."""
