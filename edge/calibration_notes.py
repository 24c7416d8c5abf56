"""What the node remembers of its calibrations, only to tell how far a sensor has drifted.

Nothing here is ever applied to a reading: which calibration holds is the server's to say.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class CalibrationNote:
    """One calibration as it was sent.

    Args:
        t_ms: When, UTC.
        gain, offset: As in the event.
        as_found: Raw reading of the reference.
        reference_value: What the reference was, in the same unit.
        reference: Which instrument.
    """

    t_ms: int
    gain: float
    offset: float
    as_found: float
    reference_value: float
    reference: str


def read_note(state_dir: Path, quantity: str) -> CalibrationNote | None:
    """The last calibration of `quantity`; None when there is none that can be read."""
    try:
        return CalibrationNote(**json.loads(_file(state_dir, quantity).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write_note(state_dir: Path, quantity: str, note: CalibrationNote) -> None:
    """Remember a calibration in place of the one before; raises OSError when the disk refuses."""
    file = _file(state_dir, quantity)
    new = file.with_suffix(".new")
    with new.open("w") as out:
        json.dump(asdict(note), out)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


def _file(state_dir: Path, quantity: str) -> Path:
    return state_dir / f"calibration-{quantity}.json"
