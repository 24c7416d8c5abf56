"""`msl deployment`, `calibration`, `exclusion`, `clock-correction`, `intervention`: dated rows."""

from typing import Annotated, Any

import typer

from server.registry import calibrations, change, corrections, places, read
from server.registry.entries import (
    Calibration,
    ClockCorrection,
    Deployment,
    Exclusion,
    Intervention,
)
from server.registry.options import Actor, Json, SettingsFile, entry, reading, time, writing
from server.registry.printing import print_json, print_row, print_table

deployment = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Which node is where. Example: msl deployment list --node lamp-01",
)
calibration = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="What readings mean. Example: msl calibration pending",
)
exclusion = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="What doesn't count. Example: msl exclusion list",
)
clock_correction = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Held records put right. Example: msl clock-correction held",
)
intervention = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="What is done, and where. Example: msl intervention list",
)

From = Annotated[str, typer.Option("--from", help="Time with its zone, or now.")]
To = Annotated[str | None, typer.Option("--to", help="Time with its zone, or now.")]
OfNode = Annotated[str | None, typer.Option("--node", help="Of this node only.")]


@deployment.command("add")
def deployment_add(
    node_id: str,
    site: Annotated[str, typer.Option(help="Where it is.")],
    from_t: From = "now",
    to_t: To = None,
    mount: Annotated[str | None, typer.Option(help="What it hangs on.")] = None,
    height_m: Annotated[float | None, typer.Option(help="How high, in m.")] = None,
    azimuth_deg: Annotated[float | None, typer.Option(help="Where it looks, from north.")] = None,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Put a node somewhere. Example: msl deployment add lamp-01 --site park --from now"""
    wanted = entry(
        Deployment, node_id=node_id, site_id=site, from_t=time(from_t), to_t=time(to_t),
        mount=mount, height_m=height_m, azimuth_deg=azimuth_deg,
    )  # fmt: skip
    with writing(settings, actor) as conn:
        row = change.add(conn, wanted)
    print_json(row) if as_json else typer.echo(f"{node_id} is at {site}")


@deployment.command("end")
def deployment_end(
    node_id: str,
    at: Annotated[str, typer.Option(help="Time with its zone, or now.")] = "now",
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Take a node away from where it is. Example: msl deployment end lamp-01"""
    moment = time(at)
    assert moment is not None
    with writing(settings, actor) as conn:
        row = places.end_stay(conn, node_id, moment)
    print_json(row) if as_json else typer.echo(f"{node_id} is no longer at {row['site_id']}")


@deployment.command("remove")
def deployment_remove(
    deployment_id: int,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Take back a stay entered by mistake. Example: msl deployment remove 3"""
    with writing(settings, actor) as conn:
        row = places.remove_stay(conn, deployment_id)
    print_json(row) if as_json else typer.echo(f"removed deployment {deployment_id}")


@deployment.command("list")
def deployment_list(
    node: OfNode = None, settings: SettingsFile = None, as_json: Json = False
) -> None:
    """All stays. Example: msl deployment list --node lamp-01"""
    columns = ["deployment_id", "node_id", "site_id", "from_t", "to_t", "mount", "height_m"]
    _list("deployment", columns, settings, as_json, node_id=node)


@deployment.command("show")
def deployment_show(key: int, settings: SettingsFile = None, as_json: Json = False) -> None:
    """One stay. Example: msl deployment show 3"""
    _show("deployment", key, settings, as_json)


@calibration.command("add")
def calibration_add(
    node_id: str,
    quantity: Annotated[str, typer.Option(help="light, noise or footfall.")],
    reference: Annotated[str, typer.Option(help="Against what, with its serial number.")],
    from_t: From = "now",
    gain: Annotated[float, typer.Option(help="Factor (light, footfall).")] = 1.0,
    offset: Annotated[float, typer.Option(help="Added: lx (light) or dB (noise).")] = 0.0,
    line: Annotated[str | None, typer.Option(help="Footfall: of this line only.")] = None,
    uncertainty: Annotated[float | None, typer.Option(help="Standard, in its unit.")] = None,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Enter what was found against a reference; it holds until the next one.

    Example: msl calibration add lamp-01 --quantity noise --offset 1.3 --reference "B&K 4231 #17"
    """
    wanted = entry(
        Calibration, node_id=node_id, quantity=quantity, reference=reference, from_t=time(from_t),
        gain=gain, offset=offset, line=line, uncertainty=uncertainty,
    )  # fmt: skip
    with writing(settings, actor) as conn:
        row = change.add(conn, wanted)
    print_json(row) if as_json else typer.echo(f"added calibration {row['calibration_id']}")


@calibration.command("pending")
def calibration_pending(
    node: OfNode = None, settings: SettingsFile = None, as_json: Json = False
) -> None:
    """What nodes have sent and nobody has accepted. Example: msl calibration pending"""
    with reading(settings) as conn:
        rows = calibrations.pending(conn, node)
    if as_json:
        print_json(rows)
        return
    names = ["event", "t", "quantity", "gain", "offset", "as_found", "as_left", "reference"]
    shown = [{name: row.get(name) for name in names} for row in rows]
    print_table(shown, names, "nothing pending")


@calibration.command("accept")
def calibration_accept(
    event: str,
    from_t: Annotated[
        str | None, typer.Option("--from", help="Since when; the event's time unless given.")
    ] = None,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Make a calibration of one that a node has sent; you answer for it.

    Example: msl calibration accept lamp-01/abcdefgh/17
    """
    with writing(settings, actor) as conn:
        row = calibrations.accept(conn, event, time(from_t))
    print_json(row) if as_json else typer.echo(f"added calibration {row['calibration_id']}")


@calibration.command("revoke")
def calibration_revoke(
    key: int, actor: Actor = None, settings: SettingsFile = None, as_json: Json = False
) -> None:
    """Let a calibration count no longer. Example: msl calibration revoke 4"""
    with writing(settings, actor) as conn:
        row = change.revoke(conn, "calibration", key)
    print_json(row) if as_json else typer.echo(f"revoked calibration {key}")


@calibration.command("list")
def calibration_list(
    node: OfNode = None, settings: SettingsFile = None, as_json: Json = False
) -> None:
    """All calibrations. Example: msl calibration list --node lamp-01"""
    columns = ["calibration_id", "node_id", "quantity", "line", "from_t", "gain", "offset",
               "reference", "revoked_at"]  # fmt: skip
    _list("calibration", columns, settings, as_json, node_id=node)


@calibration.command("show")
def calibration_show(key: int, settings: SettingsFile = None, as_json: Json = False) -> None:
    """One calibration. Example: msl calibration show 4"""
    _show("calibration", key, settings, as_json)


@exclusion.command("add")
def exclusion_add(
    from_t: From,
    to_t: Annotated[str, typer.Option("--to", help="Time with its zone, or now.")],
    reason: Annotated[str, typer.Option(help="Why: market day, scaffolding, ...")],
    node: Annotated[str | None, typer.Option(help="Of one node ...")] = None,
    site: Annotated[str | None, typer.Option(help="... or of all at a site.")] = None,
    stream: Annotated[
        str | None, typer.Option(help="light, noise, footfall; all unless given.")
    ] = None,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Leave a time out of every derived number.

    Example: msl exclusion add --site park --from 2025-06-01T08:00+02:00
    --to 2025-06-01T22:00+02:00 --reason "market day"
    """
    wanted = entry(
        Exclusion, from_t=time(from_t), to_t=time(to_t), reason=reason, node_id=node,
        site_id=site, stream=stream,
    )  # fmt: skip
    with writing(settings, actor) as conn:
        row = change.add(conn, wanted)
    print_json(row) if as_json else typer.echo(f"added exclusion {row['exclusion_id']}")


@exclusion.command("revoke")
def exclusion_revoke(
    key: int, actor: Actor = None, settings: SettingsFile = None, as_json: Json = False
) -> None:
    """Let an exclusion count no longer. Example: msl exclusion revoke 2"""
    with writing(settings, actor) as conn:
        row = change.revoke(conn, "exclusion", key)
    print_json(row) if as_json else typer.echo(f"revoked exclusion {key}")


@exclusion.command("list")
def exclusion_list(settings: SettingsFile = None, as_json: Json = False) -> None:
    """All exclusions. Example: msl exclusion list"""
    columns = ["exclusion_id", "node_id", "site_id", "stream", "from_t", "to_t", "reason",
               "revoked_at"]  # fmt: skip
    _list("exclusion", columns, settings, as_json)


@exclusion.command("show")
def exclusion_show(key: int, settings: SettingsFile = None, as_json: Json = False) -> None:
    """One exclusion. Example: msl exclusion show 2"""
    _show("exclusion", key, settings, as_json)


@clock_correction.command("held")
def clock_correction_held(
    node: OfNode = None, settings: SettingsFile = None, as_json: Json = False
) -> None:
    """What is held, by boot and reason. Example: msl clock-correction held --node lamp-01"""
    with reading(settings) as conn:
        rows = corrections.held_boots(conn, node)
    columns = ["node_id", "spool", "boot", "reason", "n", "first_t", "last_t", "last_received_at"]
    print_json(rows) if as_json else print_table(rows, columns, "nothing is held")


@clock_correction.command("add")
def clock_correction_add(
    node_id: str,
    spool: Annotated[str, typer.Option(help="As `held` shows it.")],
    boot: Annotated[str, typer.Option(help="As `held` shows it.")],
    offset_ms: Annotated[int, typer.Option(help="Added to the time of its records.")],
    reason: Annotated[str, typer.Option(help="How the offset is known.")],
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Put right the clock of one boot and store its held records.

    Example: msl clock-correction add lamp-01 --spool abcdefgh --boot 0123… --offset-ms 3600000
    --reason "clock an hour late, seen on site"
    """
    wanted = entry(
        ClockCorrection, node_id=node_id, spool=spool, boot=boot, offset_ms=offset_ms,
        reason=reason,
    )  # fmt: skip
    with writing(settings, actor) as conn:
        done = corrections.correct_clock(conn, wanted)
    if as_json:
        print_json(done.row | {"released_n": done.released_n, "still_held_n": done.still_held_n})
        return
    typer.echo(f"stored {done.released_n} records; {done.still_held_n} stay held")


@clock_correction.command("list")
def clock_correction_list(
    node: OfNode = None, settings: SettingsFile = None, as_json: Json = False
) -> None:
    """All clock corrections. Example: msl clock-correction list"""
    columns = ["correction_id", "node_id", "spool", "boot", "offset_ms", "reason"]
    _list("clock_correction", columns, settings, as_json, node_id=node)


@clock_correction.command("show")
def clock_correction_show(key: int, settings: SettingsFile = None, as_json: Json = False) -> None:
    """One clock correction. Example: msl clock-correction show 1"""
    _show("clock_correction", key, settings, as_json)


@intervention.command("add")
def intervention_add(
    intervention_id: str,
    lab: Annotated[str, typer.Option(help="Whose it is.")],
    title: Annotated[str, typer.Option(help="What is done, in a line.")],
    kind: Annotated[str, typer.Option(help="lighting, pruning, patrol, ...")],
    planned_on: Annotated[str | None, typer.Option(help="The day it was planned for.")] = None,
    from_t: Annotated[str | None, typer.Option("--from", help="When it began.")] = None,
    to_t: Annotated[str | None, typer.Option("--to", help="When it was done.")] = None,
    treated: Annotated[list[str] | None, typer.Option(help="A site that gets it.")] = None,
    control: Annotated[list[str] | None, typer.Option(help="A site to compare.")] = None,
    buffer: Annotated[list[str] | None, typer.Option(help="A site too near to compare.")] = None,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Enter an intervention, or make it what you say now.

    Example: msl intervention add led-2025 --lab nord --title "LED in the park" --kind lighting
    --treated park --control quay
    """
    arms = {"treated": treated, "control": control, "buffer": buffer}
    wanted = entry(
        Intervention, intervention_id=intervention_id, lab_id=lab, title=title, kind=kind,
        planned_on=planned_on,
        from_t=time(from_t), to_t=time(to_t),
        arms={arm: sites for arm, sites in arms.items() if sites} or None,
    )  # fmt: skip
    with writing(settings, actor) as conn:
        changed = change.ensure(conn, wanted) is not None
        row = _with_arms(conn, read.shown(conn, "intervention", intervention_id))
    said = "entered" if changed else "as it was:"
    print_json(row) if as_json else typer.echo(f"{said} {intervention_id}")


@intervention.command("list")
def intervention_list(settings: SettingsFile = None, as_json: Json = False) -> None:
    """All interventions. Example: msl intervention list"""
    with reading(settings) as conn:
        rows = [_with_arms(conn, row) for row in read.listed(conn, "intervention")]
    columns = ["intervention_id", "lab_id", "kind", "title", "from_t", "to_t", "arms"]
    print_json(rows) if as_json else print_table(rows, columns, "no intervention yet")


@intervention.command("show")
def intervention_show(
    intervention_id: str, settings: SettingsFile = None, as_json: Json = False
) -> None:
    """One intervention and its sites. Example: msl intervention show led-2025"""
    with reading(settings) as conn:
        row = _with_arms(conn, read.shown(conn, "intervention", intervention_id))
    print_json(row) if as_json else print_row(row)


def _with_arms(conn: Any, row: read.Row) -> read.Row:
    return row | {"arms": read.arms(conn, row["intervention_id"])}


def _list(
    table: str, columns: list[str], settings: SettingsFile, as_json: bool, **equal: str | None
) -> None:
    with reading(settings) as conn:
        if equal.get("node_id") is not None:
            read.shown(conn, "node", str(equal["node_id"]))
        rows = read.listed(conn, table, **equal)
    none = f"no {table.replace('_', ' ')} yet"
    print_json(rows) if as_json else print_table(rows, columns, none)


def _show(table: str, key: int, settings: SettingsFile, as_json: bool) -> None:
    with reading(settings) as conn:
        row = read.shown(conn, table, key)
    print_json(row) if as_json else print_row(row)
