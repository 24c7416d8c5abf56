"""Which camera: the text of a setting or option, parsed and checked before a process starts."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

from edge.errors import SettingsError


class SourceKind(StrEnum):
    """How frames come in."""

    FILE = "file"
    V4L2 = "v4l2"
    RTSP = "rtsp"
    RPICAM = "rpicam"
    SCENE = "scene"


# The options a source takes, with what a missing one means; all are numbers.
OPTIONS: dict[SourceKind, dict[str, float]] = {
    SourceKind.FILE: {},
    SourceKind.V4L2: {"width": 640, "height": 480, "fps": 10},
    SourceKind.RTSP: {"fps": 10},
    SourceKind.RPICAM: {"width": 640, "height": 480, "fps": 10, "camera": 0},
    SourceKind.SCENE: {
        "seed": 1,
        "width": 320,
        "height": 240,
        "fps": 5,
        "people": 6,
        "light": 1,
        "groups": 0.3,
        "seconds": 0,
        # 1: light by the sky and the lamp of the place, instead of `light`. The feed fills in the
        # rest, from the settings of the emulated light sensor.
        "sky": 0,
        "latitude_deg": 52.5,
        "longitude_deg": 13.4,
        "lamp_lx": 12,
        "begin_utc_s": 0,
    },
}


@dataclass(frozen=True)
class SourceSpec:
    """One camera.

    Written as `clip.avi`, `file:clip.avi`, `v4l2:/dev/video0`, `rtsp://host/path`, `rpicam:` or
    `scene:seed=3;people=8;light=0.5`; options follow `?` (`v4l2:/dev/video0?fps=5`) or, for
    `rpicam:` and `scene:`, stand alone.
    """

    kind: SourceKind
    target: str = ""
    options: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = OPTIONS[self.kind]
        for name in self.options:
            if name not in known:
                raise SettingsError(
                    f"{self.kind} source has no option {name!r};"
                    f" it takes {', '.join(known) or 'none'}"
                )
        if self.kind in (SourceKind.FILE, SourceKind.V4L2, SourceKind.RTSP) and not self.target:
            raise SettingsError(f"{self.kind} source names no target, e.g. v4l2:/dev/video0")

    @property
    def live(self) -> bool:
        """A device: it has its own clock and can't wait for us. Files and scenes can."""
        return self.kind in (SourceKind.V4L2, SourceKind.RTSP, SourceKind.RPICAM)

    @property
    def simulated(self) -> bool:
        return self.kind is SourceKind.SCENE

    def option(self, name: str) -> float:
        return self.options.get(name, OPTIONS[self.kind][name])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a setting; raises `SettingsError` that names what can't be used."""
        if text.startswith(("rtsp://", "rtsps://")):
            return cls(SourceKind.RTSP, text)
        head, colon, rest = text.partition(":")
        if not colon or head not in set(SourceKind):
            return cls(SourceKind.FILE, text)
        kind = SourceKind(head)
        if kind is SourceKind.FILE:
            return cls(kind, rest)
        target, _, options = rest.partition("?")
        if kind in (SourceKind.SCENE, SourceKind.RPICAM):
            target, options = "", options or target
        return cls(kind, target, parse_options(options))

    def to_text(self) -> str:
        """The setting that `parse` reads back."""
        options = ";".join(f"{name}={value:.15g}" for name, value in self.options.items())
        if self.kind is SourceKind.RTSP:
            return self.target
        tail = f"?{options}" if options else ""
        return f"{self.kind}:{self.target}{tail}"

    def check_exists(self) -> None:
        """Say at once that a file is missing, before two processes start for it."""
        if self.kind is SourceKind.FILE and not Path(self.target).is_file():
            raise SettingsError(f"video {self.target!r} is no file; check the path")


def parse_options(text: str) -> dict[str, float]:
    """Numbers from "seed=3;people=8"."""
    options: dict[str, float] = {}
    for part in filter(None, text.split(";")):
        name, equals, value = part.partition("=")
        try:
            options[name] = float(value)
        except ValueError:
            raise SettingsError(f"option {part!r}: expected name=number") from None
        if not equals:
            raise SettingsError(f"option {part!r}: expected name=number")
    return options
