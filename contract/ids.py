"""Names: nodes, server processes, spools, boots, lines, states."""

import re
import secrets

# `(?!\n)$` and not `$` alone: Python lets `$` match before a final newline, and JSON Schema, which
# takes these patterns as they are, has no `\Z`.
NODE_ID_PATTERN = r"^[a-z0-9-]{3,32}(?!\n)$"
SERVER_PREFIX = "srv-"
# Random at the spool's birth; 40 bits are plenty, since it is unique per node only.
SPOOL_PATTERN = r"^[a-z2-7]{8}(?!\n)$"
# The kernel's boot id without dashes.
BOOT_PATTERN = r"^[0-9a-f]{32}(?!\n)$"
LINE_NAME_PATTERN = r"^[a-z0-9_-]{1,24}(?!\n)$"
# Software and, for footfall, detector: `0.1.0` or `0.1.0+yolox:e8af0749`.
REV_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9.+:_-]{0,63}(?!\n)$"
WORD_PATTERN = r"^[a-z][a-z0-9_]{0,31}(?!\n)$"
NONCE_PATTERN = r"^[A-Za-z0-9_-]{16,64}(?!\n)$"

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_NODE_ID = re.compile(NODE_ID_PATTERN)


def is_node_id(name: str) -> bool:
    """Whether `name` may name a node: the pattern, without the servers' reserved prefix."""
    return bool(_NODE_ID.match(name)) and not is_server_id(name)


def is_server_id(name: str) -> bool:
    """Whether `name` belongs to a server process."""
    return name.startswith(SERVER_PREFIX)


def new_spool_id() -> str:
    """A random spool id: 8 base32 characters."""
    return "".join(secrets.choice(_BASE32) for _ in range(8))
