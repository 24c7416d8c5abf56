"""What this run of the node is: the kernel's boot, and the software that made a record."""

from importlib.metadata import version
from pathlib import Path

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """The kernel's boot id without dashes; a new one after every boot."""
    return BOOT_ID_FILE.read_text().strip().replace("-", "")


def software_rev(detector: str | None = None) -> str:
    """Software and, for footfall, detector: `0.1.0` or `0.1.0+background`."""
    release = version("municipal-safety-lab")
    return f"{release}+{detector}" if detector else release
