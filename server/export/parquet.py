"""Rows as Parquet: typed columns that carry their unit and meaning, written block by block.

pyarrow, since it is Parquet's reference writer beside Java's and appends row groups as they come;
DuckDB would want the rows in a table of its own first. It is 170 MB, so it stands in an extra of
its own, `export`; CSV needs nothing.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from server.errors import MslError
from server.export.columns import Column
from server.export.values import converted

# Rows a group: large enough to compress, small enough to hold (some 20 MB of Python objects).
GROUP_ROWS = 50_000


class NoPyarrow(MslError):
    """The extra isn't installed."""


def require_pyarrow() -> None:
    """Raises `NoPyarrow` saying what to install, before anything was written."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ModuleNotFoundError as error:
        raise NoPyarrow(
            f"{error.name} is not installed; pip install 'municipal-safety-lab[export]', or say"
            " --format csv"
        ) from error


def write_parquet(
    path: Path,
    columns: Sequence[Column],
    blocks: Iterable[Sequence[Sequence[Any]]],
    about: dict[str, str],
) -> int:
    """Write one file and return its rows.

    Args:
        about: Goes into the file's own metadata.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([_field(pa, column) for column in columns], metadata=about)
    rows_n = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        held: list[Sequence[Any]] = []
        for block in blocks:
            held.extend(converted(columns, block))
            if len(held) >= GROUP_ROWS:
                rows_n += _write_group(pa, writer, schema, held)
                held = []
        if held:
            rows_n += _write_group(pa, writer, schema, held)
    return rows_n


def _write_group(pa: Any, writer: Any, schema: Any, held: list[Sequence[Any]]) -> int:
    arrays = [
        pa.array(values, type=field.type)
        for values, field in zip(zip(*held, strict=True), schema, strict=True)
    ]
    writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=len(held))
    return len(held)


def _field(pa: Any, column: Column) -> Any:
    kinds = {
        "text": pa.string(),
        "flags": pa.string(),
        "int": pa.int64(),
        "real": pa.float32(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "time": pa.timestamp("ms", tz="UTC"),
        "date": pa.date32(),
    }
    about = {"unit": column.unit, "meaning": column.meaning}
    return pa.field(column.name, kinds[column.kind], metadata=about)
