"""What the tests of this folder take."""

from tests.server.api.fixtures import client, pilot, writer

__all__ = ["client", "pilot", "writer"]
