"""A CSV as columns of numbers and labels; what can't be read is named by line and column."""

import csv
from pathlib import Path

import msgspec
import numpy as np

from server.evaluation.errors import BadTable
from server.evaluation.linear import Array
from server.evaluation.moments import Kind, kind_of, number_of

# How published tables write "not measured". Never 0.
MISSING = frozenset({"", ".", "na", "n/a", "nan", "null", "none", "-"})
_MAX_SHOWN = 8


class Table(msgspec.Struct, frozen=True):
    """Cells as text. `lines` holds each row's line in the file, for messages."""

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    def __len__(self) -> int:
        return len(self.lines)

    def has(self, column: str) -> bool:
        """Whether the column is there."""
        return column in self.columns

    def labels(self, column: str) -> list[str]:
        """Text of a column, every cell filled; raises `BadTable` naming the empty one."""
        cells = self._column(column)
        for line, cell in zip(self.lines, cells, strict=True):
            if cell.lower() in MISSING:
                raise BadTable(f"{self.path.name} line {line}: column {column} is empty")
        return cells

    def cells(self, column: str) -> list[str]:
        """Text of a column as it stands, empty cells and all."""
        return self._column(column)

    def numbers(self, column: str) -> Array:
        """Numbers of a column, every cell filled."""
        values = self.numbers_or_nan(column)
        for line, value in zip(self.lines, values, strict=True):
            if np.isnan(value):
                raise BadTable(
                    f"{self.path.name} line {line}: column {column} is empty; leave the row out"
                    " when the period was not observed"
                )
        return values

    def numbers_or_nan(self, column: str) -> Array:
        """Numbers of a column; NaN where the cell says that nothing was measured."""
        return np.array(
            [
                self._number(line, column, cell)
                for line, cell in zip(self.lines, self._column(column), strict=True)
            ]
        )

    def counts(self, column: str, *, fractions: bool = False) -> Array:
        """Counts: filled, not negative, and whole unless `fractions`."""
        values = self.numbers(column)
        for line, value in zip(self.lines, values, strict=True):
            if value < 0:
                raise BadTable(f"{self.path.name} line {line}: column {column} is {value:g} < 0")
            if not fractions and value != round(value):
                raise BadTable(
                    f"{self.path.name} line {line}: column {column} is {value:g}, not a whole count"
                )
        return values

    def positive(self, column: str, *, missing_ok: bool = False) -> Array:
        """Numbers above 0, such as exposures; NaN where missing, if that may be."""
        values = self.numbers_or_nan(column) if missing_ok else self.numbers(column)
        for line, value in zip(self.lines, values, strict=True):
            if value <= 0:
                raise BadTable(
                    f"{self.path.name} line {line}: column {column} is {value:g}; an exposure must"
                    " be above 0 (leave the row out when nothing was observed)"
                )
        return values

    def times(self, column: str) -> tuple[Array, Kind]:
        """Times as numbers, and what they count (see `moments`)."""
        cells = self.labels(column)
        kind = kind_of(cells)
        if kind == "number":
            return self.numbers(column), kind
        pairs = zip(self.lines, cells, strict=True)
        return np.array([self._moment(line, column, cell, kind) for line, cell in pairs]), kind

    def _column(self, column: str) -> list[str]:
        if column not in self.columns:
            raise BadTable(
                f"{self.path.name}: no column {column!r}; it has {', '.join(self.columns)}"
            )
        return self.columns[column]

    def _number(self, line: int, column: str, cell: str) -> float:
        if cell.lower() in MISSING:
            return float("nan")
        try:
            value = float(cell)
        except ValueError:
            hint = "; use a point for decimals" if "," in cell else ""
            raise BadTable(
                f"{self.path.name} line {line}: column {column} is {cell!r}, not a number{hint}"
            ) from None
        if not np.isfinite(value):
            raise BadTable(f"{self.path.name} line {line}: column {column} is {cell}, not finite")
        return value

    def _moment(self, line: int, column: str, cell: str, kind: Kind) -> float:
        try:
            return number_of(cell, kind)
        except ValueError:
            raise BadTable(
                f"{self.path.name} line {line}: column {column} is {cell!r}, neither a number nor a"
                " date like 2026-03-01"
            ) from None


def read_table(path: Path) -> Table:
    """Read a CSV with one header line, separated by comma, semicolon or tab."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadTable(f"can't read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadTable(f"{path.name}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    rows = csv.reader(text.splitlines(), delimiter=separator)
    header = [name.strip() for name in next(rows, [])]
    if not any(header):
        raise BadTable(f"{path.name}: empty; the first line must name the columns")
    for name in header:
        if header.count(name) > 1:
            raise BadTable(f"{path.name} line 1: column {name!r} is there twice")
    lines: list[int] = []
    cells: list[list[str]] = []
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise BadTable(
                f"{path.name} line {rows.line_num}: {len(row)} cells, the header has {len(header)}"
            )
        lines.append(rows.line_num)
        cells.append([cell.strip() for cell in row])
    if not cells:
        raise BadTable(f"{path.name}: a header and no rows")
    return Table(path, {name: [row[j] for row in cells] for j, name in enumerate(header)}, lines)


def renamed(table: Table, pairs: list[str]) -> Table:
    """The table with columns under other names, each given as COLUMN=NAME; raises `BadTable`."""
    columns = dict(table.columns)
    for pair in pairs:
        theirs, _, ours = pair.partition("=")
        if not ours or theirs not in columns:
            raise BadTable(
                f"--rename {pair!r}: give COLUMN=NAME; there are {shown(list(table.columns))}"
            )
        columns[ours] = columns.pop(theirs)
    return Table(table.path, columns, table.lines)


def shown(names: list[str]) -> str:
    """A short list for a message."""
    head = ", ".join(names[:_MAX_SHOWN])
    return head if len(names) <= _MAX_SHOWN else f"{head}, … ({len(names)} in all)"
