"""`msl evaluate plan`: check, lock and show what will be asked, before anybody looks."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from server.evaluation.data.load import load_snapshot, registered
from server.evaluation.data.outcomes import prepare, weekly_panel, weeks_of
from server.evaluation.plan.canonical import plan_hash
from server.evaluation.plan.check import PlanCheck, check_plan
from server.evaluation.plan.plan import EXAMPLE, Plan, Span, read_plan
from server.evaluation.plan.store import lock, locked_plan
from server.registry.options import Actor, Json, SettingsFile, reading, writing
from server.registry.printing import print_json

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The question, before the answer. Example: msl evaluate plan check plan.toml",
)

PlanFile = Annotated[Path, typer.Argument(help="plan.toml; see msl evaluate plan example.")]


@app.command()
def example() -> None:
    """Print a plan to start from. Example: msl evaluate plan example > plan.toml"""
    typer.echo(EXAMPLE, nl=False)


@app.command()
def check(plan_file: PlanFile, settings: SettingsFile = None, as_json: Json = False) -> None:
    """Can this design answer? Exit code 1 when it can't.

    Only the weeks before are looked at. Example: msl evaluate plan check plan.toml
    """
    plan = read_plan(plan_file)
    with reading(settings) as conn:
        found = checked(conn, plan)
    print_json(msgspec.to_builtins(found)) if as_json else typer.echo(as_text(found))
    if not found.can_answer:
        raise typer.Exit(1)


def checked(conn: object, plan: Plan) -> PlanCheck:
    """The check on the sites' own history before the intervention."""
    intervention = registered(conn, plan.intervention)  # type: ignore[arg-type]
    # The weeks after must not be seen: the history ends where they begin.
    history = msgspec.structs.replace(
        plan, after=Span(begin=plan.before.end, end=plan.after.begin), installation=None
    ) if plan.after.begin > plan.before.end else plan  # fmt: skip
    snapshot = load_snapshot(conn, history, intervention)  # type: ignore[arg-type]
    weeks = weeks_of(plan.before, plan.after)
    prepared = prepare(snapshot, plan)
    sites = [
        site for site in (*intervention.arms.treated, *intervention.arms.control)
        if site not in plan.without_sites
    ]  # fmt: skip
    outcome = plan.primary if plan.primary != "incidents" else "footfall_dark"
    panel = weekly_panel(
        prepared, intervention.arms, outcome, weeks, least_coverage=plan.least_coverage, sites=sites
    )
    before = panel.before(weeks.start)
    early = msgspec.structs.replace(
        panel, times=panel.times[before], y=panel.y[:, before],
        exposure=None if panel.exposure is None else panel.exposure[:, before],
    )  # fmt: skip
    return check_plan(early, plan, int((~before).sum()))


def as_text(found: PlanCheck) -> str:
    """For people."""
    head = "This design can answer." if found.can_answer else "This design can't answer."
    lines = [
        head, "",
        f"{found.treated} treated sites, {found.control} control;"
        f" {found.weeks_before} weeks before, {found.weeks_after} after",
    ]  # fmt: skip
    if found.smallest_p is not None:
        lines.append(f"least p that can come out: {found.smallest_p:.3g}")
    if found.smallest_detectable is not None:
        lines.append(f"smallest effect found with 80 % power: {found.smallest_detectable:.3g}")
    return "\n".join([*lines, *(f"- {said}" for said in found.said)])


@app.command("lock")
def lock_command(
    plan_file: PlanFile,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Hash, date and keep the plan; the first one locked is the one that counts.

    Example: msl evaluate plan lock plan.toml
    """
    plan = read_plan(plan_file)
    with writing(settings, actor) as conn:
        intervention = registered(conn, plan.intervention)
        (by,) = conn.execute("SELECT current_setting('msl.actor')").fetchone() or ("",)
        locked = lock(conn, plan, intervention, by)
        first = locked_plan(conn, plan.intervention)
    assert first is not None
    if as_json:
        print_json(msgspec.to_builtins(locked))
        return
    typer.echo(f"locked {locked.sha256} at {locked.locked_at:%Y-%m-%dT%H:%M:%SZ}")
    if first.sha256 != locked.sha256:
        typer.echo(
            f"note: {first.sha256[:12]} was locked before, on {first.locked_at:%Y-%m-%d}; results"
            " by this one are EXPLORATORY and list what differs"
        )


@app.command("hash")
def hash_command(plan_file: PlanFile, settings: SettingsFile = None) -> None:
    """The hash that locking would give. Example: msl evaluate plan hash plan.toml"""
    plan = read_plan(plan_file)
    with reading(settings) as conn:
        typer.echo(plan_hash(plan, registered(conn, plan.intervention)))
