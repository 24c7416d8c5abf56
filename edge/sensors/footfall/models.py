"""Detector models: the operator's own weight files, pinned by SHA-256 when they are added.

No weights come with this software. A model's file is copied into the node's model folder beside a
note of its hash; `vision` refuses a file that doesn't hash to it.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge.errors import SettingsError

TRY_MODEL = "edge.sensors.footfall.vision.try_model"
TRY_S = 60
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,47}")
LARGEST_MODEL_BYTES = 400_000_000
# Files that were measured with this counter (docs/accuracy.md), so that they may be named by path.
MEASURED = {
    "e8af074932d4ed7e232278e3055cefcdea3edf178874a3694ae292649fb464dd": "yolox_nano",
}


class ModelError(SettingsError):
    """A model can't be added or used; the message says which and why."""


@dataclass(frozen=True)
class DetectorSpec:
    """Which detector `vision` shall use, and for a model the file and hash to insist on."""

    kind: str
    path: Path | None = None
    sha256: str = ""

    @property
    def rev(self) -> str:
        """How records name it: results of different models are never compared unseen."""
        return f"{self.kind}-{self.sha256[:12]}" if self.sha256 else self.kind

    def arguments(self) -> list[str]:
        """Options for the vision process."""
        model = ["--model", str(self.path), "--sha256", self.sha256] if self.path else []
        return ["--detector", self.kind, *model]


@dataclass(frozen=True)
class Model:
    """One added model."""

    name: str
    sha256: str
    size_bytes: int
    added: str


def default_folder() -> Path:
    """`MSL_MODEL_DIR`, or a folder of the user's own."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(os.environ.get("MSL_MODEL_DIR") or Path(data) / "municipal-safety-lab" / "models")


class ModelFolder:
    """The models of this node."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()

    def add(self, file: Path, name: str) -> Model:
        """Try the file as a YOLOX model, then copy and pin it; raises `ModelError`."""
        if not NAME.fullmatch(name):
            raise ModelError(f"model name {name!r}: use a-z, 0-9, dot, - and _, at most 48")
        sha256 = hash_of(file)
        try_model(file, sha256)
        model = Model(
            name, sha256, file.stat().st_size, datetime.now(UTC).isoformat("T", "seconds")
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        # The note comes last: without it the file is not a model, however far the copy got.
        part = self.folder / f"{name}.part"
        shutil.copyfile(file, part)
        part.replace(self.path_of(name))
        self._note_of(name).write_text(json.dumps(asdict(model)))
        return model

    def list(self) -> list[Model]:
        """All added models by name."""
        return [
            Model(**json.loads(note.read_text())) for note in sorted(self.folder.glob("*.json"))
        ]

    def path_of(self, name: str) -> Path:
        return self.folder / f"{name}.onnx"

    def find(self, text: str) -> DetectorSpec:
        """The detector that a setting names: `background`, `yolox:NAME` or `yolox:FILE`.

        A file outside the folder is taken only if its hash is one that was measured.
        """
        kind, _, target = text.partition(":")
        if text == "background":
            return DetectorSpec("background")
        if kind != "yolox" or not target:
            raise ModelError(f"detector {text!r} is unknown; use background or yolox:MODEL")
        for model in self.list():
            if model.name == target:
                return DetectorSpec("yolox", self.path_of(target), model.sha256)
        sha256 = hash_of(Path(target))
        if sha256 not in MEASURED:
            raise ModelError(
                f"model {target} has sha256 {sha256}, which nobody vouched for;"
                f" msl-node model add {target}"
            )
        return DetectorSpec("yolox", Path(target), sha256)

    def _note_of(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def hash_of(file: Path) -> str:
    """SHA-256 of a model file, as hex."""
    if not file.is_file():
        raise ModelError(f"model {str(file)!r} is neither added nor a file; msl-node model list")
    if file.stat().st_size > LARGEST_MODEL_BYTES:
        raise ModelError(f"model {file} has {file.stat().st_size} bytes; that is no model")
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def try_model(file: Path, sha256: str) -> None:
    """Load and run it once in a process that may use OpenCV, as this one may not."""
    command = [sys.executable, "-m", TRY_MODEL, str(file), sha256]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TRY_S, check=False)
    if done.returncode:
        words = done.stderr.strip().splitlines() or [f"code {done.returncode}"]
        raise ModelError(words[-1])
