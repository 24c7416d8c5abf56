"""`msl evaluate run | report | rerun | pool | list | import`: evaluations from the database."""

import getpass
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from server.evaluation.bundle.files import data_files, read_results, snapshot_hash, write_bundle
from server.evaluation.bundle.rerun import rerun
from server.evaluation.data.load import load_snapshot, registered
from server.evaluation.evaluation import Evaluation
from server.evaluation.plan.plan import read_plan
from server.evaluation.plan.store import keep, locked_plan, runs
from server.evaluation.run import evaluate
from server.registry.options import Actor, Json, SettingsFile, reading, writing
from server.registry.printing import print_json, print_table

app = typer.Typer(add_completion=False)

BundleFile = Annotated[Path, typer.Argument(help="A bundle that msl evaluate run wrote.")]


@app.command()
def run(
    plan_file: Annotated[Path, typer.Argument(help="plan.toml.")],
    bundle: Annotated[Path, typer.Option(help="Where the bundle goes.")] = Path("bundle.zip"),
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Evaluate an intervention by its plan, with every check, and write the bundle.

    Example: msl evaluate run plan.toml --bundle led-2026.zip
    """
    plan = read_plan(plan_file)
    with reading(settings) as conn:
        intervention = registered(conn, plan.intervention)
        snapshot = load_snapshot(conn, plan, intervention)
        locked = locked_plan(conn, plan.intervention)
    files = data_files(snapshot)
    found = evaluate(
        plan, intervention, snapshot, snapshot_sha256=snapshot_hash(files), locked=locked
    )
    digest = write_bundle(bundle, files, found, locked)
    with writing(settings, actor) as conn:
        number = keep(conn, found, bundle_sha256=digest, by=actor or getpass.getuser())
    if as_json:
        print_json({"evaluation_id": number, "bundle_sha256": digest} | msgspec.to_builtins(found))
        return
    typer.echo(as_text(found))
    typer.echo(f"\nevaluation {number}; bundle {bundle} (SHA-256 {digest})")


def as_text(found: Evaluation) -> str:
    """Verdict first, then what it stands on."""
    lines = [found.verdict, ""]
    lines += [f"exploratory: {why}" for why in found.exploratory_why]
    lines += [f"deviation: {what}" for what in found.deviations]
    lines += [f"{a.name}: {a.sentence}" for a in found.answers[1:]]
    if found.buffer is not None:
        lines.append(f"around: {found.buffer.sentence}")
    shown = [*([found.manipulation] if found.manipulation else []), *found.checks]
    lines += [f"{c.outcome:>12}  {c.name}: {c.said}" for c in shown]
    lines += [f"found: {what}" for what in found.findings[:20]]
    lines += [f"note: {what}" for what in found.notes]
    return "\n".join(lines)


@app.command("rerun")
def rerun_command(bundle: BundleFile, as_json: Json = False) -> None:
    """Compute a bundle again: the same numbers, or what differs (exit code 1).

    Needs no database. Example: msl evaluate rerun led-2026.zip
    """
    found = rerun(bundle)
    if as_json:
        print_json(
            {
                "same": found.same, "numbers": found.numbers, "differences": found.differences,
                "code_differences": found.code_differences, "verdict": found.results.verdict,
            }
        )  # fmt: skip
    elif found.same:
        typer.echo(f"the same: {found.numbers} numbers to the last digit\n{found.results.verdict}")
    else:
        typer.echo(f"{len(found.differences)} of {found.numbers} numbers and words differ")
        for line in found.differences[:40]:
            typer.echo(f"  {line}")
    if not as_json:
        for line in found.code_differences:
            typer.echo(f"  computed by other code: {line}")
    if not found.same:
        raise typer.Exit(1)


@app.command("list")
def list_command(
    intervention: Annotated[str | None, typer.Option(help="Of this intervention only.")] = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Evaluations that were run, newest first. Example: msl evaluate list"""
    with reading(settings) as conn:
        rows = runs(conn, intervention)
    columns = ["evaluation_id", "intervention_id", "ran_at", "outcome", "grade", "verdict"]
    print_json(rows) if as_json else print_table(rows, columns, "no evaluation yet")


@app.command()
def show(bundle: BundleFile, as_json: Json = False) -> None:
    """What a bundle says. Example: msl evaluate show led-2026.zip"""
    found = read_results(bundle)
    print_json(msgspec.to_builtins(found)) if as_json else typer.echo(as_text(found))
