"""What goes wrong with the database as such."""


class MigrationError(Exception):
    """The database can't be brought up to date; the message names the file and the way out."""
