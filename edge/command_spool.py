"""The node's spool for a command that measures with the node's own sensors.

Such a command runs in the agent's place: only one process can have the microphone, and readings
of a calibrator or under a cover must never become records of the street. It holds the spool from
beginning to end, so the agent can't start in between; the gap that this leaves is declared by the
agent's next `restart`. What the command has to say is delivered by the agent afterwards.
"""

from pathlib import Path

from contract.flags import Flag
from edge.clock import Clock, FastClock, SystemClock, TrustedClock
from edge.errors import NodeError
from edge.identity import boot_id, software_rev
from edge.settings import Settings
from edge.spool import Spool
from edge.spool_file import SpoolBusy


class NodeRuns(NodeError):
    """The agent has the sensors and the spool."""


def state_dir(settings: Settings) -> Path:
    """Where the node keeps its spool and notes."""
    return settings.path("state_dir") or Path("state")


def hold_spool(settings: Settings, *, simulated: bool) -> Spool:
    """Open the node's spool in the agent's place; raises `NodeRuns` while the agent runs.

    Args:
        simulated: Mark what is said `SIMULATED`.
    """
    path = state_dir(settings) / "spool.db"
    marked = simulated or settings.flag("simulated")
    try:
        return Spool(
            path,
            limit_bytes=settings.integer("spool.limit_bytes"),
            clock=TrustedClock(always=settings.text("trust_clock") == "always"),
            boot=boot_id(),
            rev=software_rev(),
            flags=[Flag.SIMULATED] if marked else [],
        )
    except SpoolBusy:
        raise NodeRuns(
            f"the node runs and has the sensor (its spool {path} is in use); stop it, calibrate,"
            " then start it again: it declares the gap and delivers the calibration"
        ) from None


def sensor_clock(utc_s: float, *, emulated: bool) -> Clock:
    """The machine's clock; a fast one for an emulated sensor, which needs nobody to wait."""
    return FastClock(utc_s) if emulated else SystemClock()
