"""Lux samples and feeder maps from CSV, with errors that name row, column and what stood there."""

import csv
import math
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from server.errors import MslError
from server.lighting.diagnosis import Samples

_COLUMNS = ("t", "node", "lux")
_ROWS_AT_ONCE = 250_000
# Unix seconds between 2000 and 2100: milliseconds and Excel's days fall outside.
_EARLIEST_S, _LATEST_S = 946_684_800, 4_102_444_800

_Row = list[str]


class BadCsv(MslError):
    """A CSV file that can't be read as what it should be."""


def read_samples(
    path: Path, progress: Callable[[int], None] = lambda rows: None
) -> dict[str, Samples]:
    """Samples by node, each in order of time; an empty lux is a gap.

    Args:
        path: CSV with a header that names t (unix seconds), node and lux; more columns are ignored.
        progress: Called with the number of rows read so far.
    Raises:
        BadCsv: The first row that can't be used, with its line number.
    """
    parts: dict[str, list[tuple[NDArray[np.int64], NDArray[np.float32]]]] = {}
    with _open(path) as file:
        rows = csv.reader(file)
        places = _places(path, next(rows, []), _COLUMNS)
        done = 0
        while chunk := list(islice(rows, _ROWS_AT_ONCE)):
            for node, t_s, lux in _parsed(path, chunk, places, first_line=done + 2):
                parts.setdefault(node, []).append((t_s, lux))
            done += len(chunk)
            progress(done)
    if not parts:
        raise BadCsv(f"{path}: no rows under the header; nothing to recompute")
    return {node: _in_order(pieces) for node, pieces in parts.items()}


def read_feeders(path: Path) -> dict[str, str]:
    """Feeder by node from a CSV with the columns node and feeder."""
    with _open(path) as file:
        rows = csv.reader(file)
        node_at, feeder_at = _places(path, next(rows, []), ("node", "feeder"))
        found: dict[str, str] = {}
        for line, row in enumerate(rows, start=2):
            if len(row) <= max(node_at, feeder_at):
                raise BadCsv(f"{path}: line {line}: {len(row)} columns; node and feeder are needed")
            found[row[node_at].strip()] = row[feeder_at].strip()
    return found


def _open(path: Path) -> TextIO:
    try:
        return path.open(newline="", encoding="utf-8-sig")
    except OSError as error:
        raise BadCsv(f"{path}: {error.strerror}; give a readable CSV file") from error


def _places(path: Path, header: _Row, wanted: tuple[str, ...]) -> tuple[int, ...]:
    names = [name.strip().lower() for name in header]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise BadCsv(
            f"{path}: line 1: no column {', '.join(missing)}; seen:"
            f" {', '.join(names) or 'nothing'}; the header must name {', '.join(wanted)}"
        )
    return tuple(names.index(name) for name in wanted)


def _parsed(
    path: Path, chunk: list[_Row], places: tuple[int, ...], *, first_line: int
) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.float32]]]:
    """A chunk by node; the slow way is taken only to say what is wrong with it."""
    chunk = [row for row in chunk if row] if not all(chunk) else chunk
    if not chunk:
        return
    try:
        columns = list(zip(*chunk, strict=True))
        t_s = np.array(list(map(float, columns[places[0]])))
        lux = np.array([float(word) if word.strip() else math.nan for word in columns[places[2]]],
                       dtype=np.float32)  # fmt: skip
        good = bool(((t_s >= _EARLIEST_S) & (t_s <= _LATEST_S)).all() and not (lux < 0).any())
    except (ValueError, IndexError):
        good = False
    if not good:
        _complain(path, chunk, places, first_line)
    names = columns[places[1]]
    index: dict[str, int] = {}
    code = np.array([index.setdefault(name, len(index)) for name in names])
    for name, number in index.items():
        mine = code == number
        yield name.strip(), t_s[mine].astype(np.int64), lux[mine]


def _complain(path: Path, chunk: list[_Row], places: tuple[int, ...], first_line: int) -> None:
    width = len(chunk[0])
    for line, row in enumerate(chunk, start=first_line):
        where = f"{path}: line {line}"
        if len(row) != width or len(row) <= max(places):
            due = max(width, max(places) + 1)
            raise BadCsv(f"{where}: {len(row)} columns where {due} were due")
        _number(where, "t", row[places[0]], _EARLIEST_S, _LATEST_S, "unix seconds of 2000 to 2100")
        if row[places[2]].strip():
            _number(where, "lux", row[places[2]], 0, math.inf, "lux of 0 or more, or nothing")
    raise BadCsv(f"{path}: lines {first_line} to {first_line + len(chunk)} can't be read")


def _number(where: str, column: str, word: str, low: float, high: float, wanted: str) -> None:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if math.isnan(value) and word.strip().lower() == "nan" and column == "lux":
        return
    if not low <= value <= high:
        raise BadCsv(f"{where}, column {column}: saw {word!r}; wanted {wanted}")


def _in_order(pieces: list[tuple[NDArray[np.int64], NDArray[np.float32]]]) -> Samples:
    t_s = np.concatenate([piece[0] for piece in pieces])
    lux = np.concatenate([piece[1] for piece in pieces])
    if (np.diff(t_s) < 0).any():
        order = np.argsort(t_s, kind="stable")
        t_s, lux = t_s[order], lux[order]
    return Samples(t_s=t_s, lux=lux)
