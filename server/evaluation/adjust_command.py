"""`msl evaluate adjust`: p-values of several questions, adjusted for asking so often."""

from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from server.evaluation.errors import BadRequest
from server.evaluation.multiplicity import benjamini_hochberg, holm
from server.evaluation.options import Alpha, AsJson
from server.evaluation.results import number
from server.evaluation.table import read_table

app = typer.Typer(add_completion=False)


@app.command("adjust")
def adjust_command(
    csv: Annotated[Path | None, typer.Argument(help="CSV with a row a question.")] = None,
    p: Annotated[list[float] | None, typer.Option(help="A p-value; may be repeated.")] = None,
    column: Annotated[str, typer.Option(help="Column of p-values; empty = refused.")] = "p",
    name: Annotated[str | None, typer.Option(help="Column that names the question.")] = None,
    alpha: Alpha = 0.05,
    as_json: AsJson = False,
) -> None:
    """Holm (for questions to be answered) and Benjamini-Hochberg (for sensors to be explored).

    Example: msl evaluate adjust --p 0.01 --p 0.04 --p 0.2
    """
    if (csv is None) == (not p):
        raise BadRequest("give either a CSV or --p once for each question")
    if csv is None:
        values = np.array(p)
        names = [f"{i + 1}" for i in range(len(values))]
    else:
        table = read_table(csv)
        values = table.numbers_or_nan(column)
        names = [str(i + 1) for i in range(len(table))] if name is None else table.labels(name)
    if np.any((values < 0) | (values > 1)):
        raise BadRequest(f"p-values run from 0 to 1; seen {values[(values < 0) | (values > 1)][0]}")
    rows = [
        {"name": each, "p": number(raw), "holm": number(a), "benjamini_hochberg": number(b)}
        for each, raw, a, b in zip(
            names, values, holm(values), benjamini_hochberg(values), strict=True
        )
    ]
    if as_json:
        found = {"alpha": alpha, "asked": int(np.isfinite(values).sum()), "rows": rows}
        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    typer.echo(f"{'':20} {'p':>9} {'Holm':>9} {'BH':>9}")
    for row in rows:
        cells = [row[key] for key in ("p", "holm", "benjamini_hochberg")]
        said = " ".join("-".rjust(9) if v is None else f"{v:9.4g}" for v in cells)
        typer.echo(f"{row['name']!s:20} {said}")
