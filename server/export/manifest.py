"""What an export folder holds: one entry a finished day, so that the next run goes on from there.

The file's name begins with an underscore, which readers of partitioned data pass over.
"""

import hashlib
import os
from datetime import date, datetime
from pathlib import Path

import msgspec

from server.errors import MslError


class OtherExport(MslError):
    """The folder holds the answer to another question."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked; a folder and stream answer one of these."""

    stream: str
    grain: str
    format: str
    scope: str


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """One day of it. `file` None: there were no rows, which is not a file of zeros."""

    from_t: datetime
    to_t: datetime
    file: str | None
    rows: int
    size_bytes: int
    sha256: str | None


class Manifest(msgspec.Struct, kw_only=True):
    """The question, and the finished days."""

    v: int = 1
    question: Question
    days: dict[date, Partition] = {}


def manifest_path(root: Path, stream: str) -> Path:
    """Where it lies."""
    return root / f"_manifest.{stream}.json"


def read_manifest(root: Path, question: Question) -> Manifest:
    """The folder's manifest, or a new one.

    Raises:
        OtherExport: It belongs to another question, or can't be read.
    """
    path = manifest_path(root, question.stream)
    if not path.exists():
        return Manifest(question=question)
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise OtherExport(
            f"{path} can't be read: {error}; remove it, or export to another folder"
        ) from error
    if found.question != question:
        seen, asked = msgspec.to_builtins(found.question), msgspec.to_builtins(question)
        differs = ", ".join(
            f"{name} {seen[name]}, not {asked[name]}" for name in asked if seen[name] != asked[name]
        )
        raise OtherExport(f"{root} already holds {differs}; export to another folder")
    return found


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Put it in place, whole or not at all, its days in order."""
    manifest.days = dict(sorted(manifest.days.items()))
    path = manifest_path(root, manifest.question.stream)
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def is_finished(root: Path, known: Partition | None, from_t: datetime, to_t: datetime) -> bool:
    """Whether that day is there, as it was written, for exactly these times."""
    if known is None or (known.from_t, known.to_t) != (from_t, to_t):
        return False
    if known.file is None:
        return True
    path = root / known.file
    return (
        path.is_file()
        and path.stat().st_size == known.size_bytes
        and (file_sha256(path) == known.sha256)
    )


def file_sha256(path: Path) -> str:
    """Digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
