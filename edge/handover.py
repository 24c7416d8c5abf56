"""Events that a command leaves for the running agent, which alone writes the spool.

One file each, complete or not there. The agent takes them in the order of their names, commits
each to the spool together with its name, then removes it: no kill in between loses or doubles one.
"""

import logging
import os
import time
from pathlib import Path

import msgspec

from contract.events import Validation
from contract.flags import Flag
from edge.spool import Spool

log = logging.getLogger(__name__)


class HandedOver(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a command leaves: only kinds that are made beside a running agent."""

    body: Validation
    simulated: bool


_DECODER = msgspec.json.Decoder(HandedOver)


class Handover:
    """The folder between commands and the agent."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "handover"

    def leave(self, body: Validation, *, simulated: bool) -> Path:
        """Leave an event for the agent; raises OSError when the disk refuses."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{time.time_ns():020d}-{os.getpid()}.json"
        new = file.with_suffix(".new")
        with new.open("wb") as out:
            out.write(msgspec.json.encode(HandedOver(body=body, simulated=simulated)))
            out.flush()
            os.fsync(out.fileno())
        new.replace(file)
        return file

    def take(self, spool: Spool) -> int:
        """Take all that was left into the spool; return how many events. `SpoolUnwritable`."""
        taken_n = 0
        for file in sorted(self._folder.glob("*.json")):
            try:
                left = _DECODER.decode(file.read_bytes())
            except (OSError, msgspec.MsgspecError) as error:
                log.error("%s can't be taken and is set aside: %s", file, error)
                file.replace(file.with_suffix(".bad"))
                continue
            flags = [Flag.SIMULATED] if left.simulated else []
            taken_n += spool.take_in(left.body, file.name, flags)
            file.unlink()
        return taken_n
