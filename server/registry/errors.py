"""Why the registry refuses something."""

from server.errors import MslError


class RegistryError(MslError):
    """The change was not made; the message says which thing stands against it."""


class NotFound(RegistryError, LookupError):
    """No such lab, site, node, …; the message lists names that are near."""
