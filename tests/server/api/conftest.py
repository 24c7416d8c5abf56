"""What the tests of this folder take."""

from tests.server.api.fixtures import (
    client,
    lasting_client,
    lasting_database,
    lasting_writer,
    pilot,
    writer,
)

__all__ = ["client", "lasting_client", "lasting_database", "lasting_writer", "pilot", "writer"]
