"""A result for people: the sentence first, then the rows, then what to be careful about."""

import msgspec
import typer

from server.evaluation.results import Estimate, Json, Result


def show(result: Result, *, as_json: bool) -> None:
    """Print a result and end with exit code 1 when it is a refusal."""
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(result), indent=2).decode())
    else:
        typer.echo(as_text(result))
    if result.refusal is not None:
        raise typer.Exit(1)


def as_text(result: Result) -> str:
    """Verdict, table, diagnostics and warnings, at most 100 columns for short names."""
    lines = [result.verdict, "", f"{result.method}; n = {result.n}"]
    if result.p is not None:
        least = (
            "" if result.smallest_p is None else f"; the least it can be is {result.smallest_p:.4g}"
        )
        lines.append(f"p = {result.p:.4g} ({result.p_kind}){least}")
    if result.grade is not None:
        lines.append(f"Maryland grade {result.grade.level} of 5: {'; '.join(result.grade.reasons)}")
    if result.estimates:
        lines += ["", *_rows(result.estimates)]
    if result.sensitivity:
        lines += ["", "the same by other ways", *_rows(result.sensitivity)]
    if result.diagnostics:
        lines += ["", *_diagnostics(result.diagnostics)]
    lines += [f"note: {warning}" for warning in result.warnings]
    return "\n".join(lines)


def _rows(rows: list[Estimate]) -> list[str]:
    heads = ("", "value", "low", "high", "p", "by")
    cells = [
        (row.name, _short(row.value), _short(row.low), _short(row.high), _short(row.p), row.model)
        for row in rows
    ]
    widths = [max(len(r[j]) for r in [heads, *cells]) for j in range(len(heads))]
    return [
        "  ".join(
            cell.ljust(width) if j in (0, 5) else cell.rjust(width)
            for j, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [heads, *cells]
    ]


def _diagnostics(found: dict[str, Json]) -> list[str]:
    lines = []
    for name, value in found.items():
        if value is None:
            continue
        if isinstance(value, dict):
            kept = {key: v for key, v in value.items() if v != 0.0}
            said = ", ".join(f"{key} {_short(v)}" for key, v in kept.items())
        else:
            said = _short(value)
        lines.append(f"{name.replace('_', ' ')}: {said}")
    return lines


def _short(value: Json) -> str:
    """Five digits are more than any of these numbers carries; a missing one is a dash."""
    if value is None:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
