"""Rows as CSV (RFC 4180): one header line, UTC with Z, empty for null, never 0 for it."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

from server.export.columns import Column
from server.export.values import converted


def csv_chunks(
    columns: Sequence[Column], blocks: Iterable[Sequence[Sequence[Any]]]
) -> Iterator[str]:
    """The header, then a text a block."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([column.name for column in columns])
    for block in blocks:
        yield _taken(buffer)
        for row in converted(columns, block):
            writer.writerow([_said(value) for value in row])
    yield _taken(buffer)


def _said(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        utc = value.astimezone(UTC)
        return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return value


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
