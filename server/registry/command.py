"""`msl lab`, `site`, `node`, `registry`: labs, places, nodes, and a whole pilot from one file."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from server.registry import change, places, read
from server.registry.entries import Deployment, Lab, Node, Site
from server.registry.load import load_pilot, read_pilot
from server.registry.options import Actor, Json, SettingsFile, entry, reading, time, writing
from server.registry.printing import print_json, print_row, print_table

lab = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Who runs a pilot. Example: msl lab list"
)
site = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Places. Example: msl site list --lab nord"
)
node = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Nodes. Example: msl node show lamp-01"
)
registry = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="All at once. Example: msl registry load pilot.toml",
)

At = Annotated[str | None, typer.Option(help="Time with its zone, or now.")]


@lab.command("add")
def lab_add(
    lab_id: str,
    name: Annotated[str, typer.Option(help="Its full name.")],
    contact: Annotated[str | None, typer.Option(help="Whom to ask.")] = None,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Enter a lab. Example: msl lab add nord --name "Lab Nord" """
    with writing(settings, actor) as conn:
        row = change.add(conn, entry(Lab, lab_id=lab_id, name=name, contact=contact))
    print_json(row) if as_json else typer.echo(f"added lab {lab_id}")


@lab.command("list")
def lab_list(settings: SettingsFile = None, as_json: Json = False) -> None:
    """All labs. Example: msl lab list"""
    with reading(settings) as conn:
        rows = read.listed(conn, "lab")
    print_json(rows) if as_json else print_table(rows, ["lab_id", "name", "contact"], "no lab yet")


@lab.command("show")
def lab_show(lab_id: str, settings: SettingsFile = None, as_json: Json = False) -> None:
    """One lab. Example: msl lab show nord"""
    with reading(settings) as conn:
        row = read.shown(conn, "lab", lab_id)
    print_json(row) if as_json else print_row(row)


@site.command("add")
def site_add(
    site_id: str,
    lab: Annotated[str, typer.Option(help="Whose it is.")],
    name: Annotated[str, typer.Option(help="Its name on pages.")],
    tz: Annotated[str, typer.Option(help="IANA time zone, such as Europe/Berlin.")],
    latitude: Annotated[float, typer.Option(help="Degrees north.")],
    longitude: Annotated[float, typer.Option(help="Degrees east.")],
    lighting_class: Annotated[str | None, typer.Option(help="EN 13201 class, as P4.")] = None,
    cordon: Annotated[
        bool | None, typer.Option(help="Its lines close it off: their counts may be summed.")
    ] = None,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Enter a place.

    Example: msl site add park --lab nord --name "City park" --tz Europe/Berlin
    --latitude 52.5 --longitude 13.4
    """
    wanted = entry(
        Site, site_id=site_id, lab_id=lab, name=name, tz=tz, latitude=latitude,
        longitude=longitude, lighting_class=lighting_class, cordon=cordon,
    )  # fmt: skip
    with writing(settings, actor) as conn:
        row = change.add(conn, wanted)
    print_json(row) if as_json else typer.echo(f"added site {site_id}")


@site.command("set")
def site_set(
    site_id: str,
    name: Annotated[str | None, typer.Option(help="Its name on pages.")] = None,
    tz: Annotated[str | None, typer.Option(help="IANA time zone; days are cut anew.")] = None,
    lighting_class: Annotated[str | None, typer.Option(help="EN 13201 class, as P4.")] = None,
    cordon: Annotated[bool | None, typer.Option(help="Its lines may be summed.")] = None,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Change what a site is. Example: msl site set park --tz Europe/Madrid"""
    if tz is not None:
        change.check_zone(tz)
    given = {"name": name, "tz": tz, "lighting_class": lighting_class, "cordon": cordon}
    values = {column: value for column, value in given.items() if value is not None}
    if not values:
        raise typer.BadParameter("nothing to change was given")
    with writing(settings, actor) as conn:
        row = change.set_columns(conn, "site", site_id, **values)
    print_json(row) if as_json else typer.echo(f"changed site {site_id}: {', '.join(values)}")


@site.command("list")
def site_list(
    lab: Annotated[str | None, typer.Option(help="Of this lab only.")] = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """All sites. Example: msl site list --lab nord"""
    with reading(settings) as conn:
        rows = read.listed(conn, "site", lab_id=lab)
    columns = ["site_id", "lab_id", "name", "tz", "latitude", "longitude", "lighting_class"]
    print_json(rows) if as_json else print_table(rows, columns, "no site yet")


@site.command("show")
def site_show(site_id: str, settings: SettingsFile = None, as_json: Json = False) -> None:
    """One site. Example: msl site show park"""
    with reading(settings) as conn:
        row = read.shown(conn, "site", site_id)
    print_json(row) if as_json else print_row(row)


@node.command("add")
def node_add(
    node_id: str,
    lab: Annotated[str, typer.Option(help="Whose it is.")],
    site: Annotated[str | None, typer.Option(help="Where it is; none: on the shelf.")] = None,
    from_t: Annotated[str, typer.Option("--from", help="Since when it is there.")] = "now",
    created: Annotated[
        str | None, typer.Option(help="Records from before are held; --from unless given.")
    ] = None,
    mount: Annotated[str | None, typer.Option(help="What it hangs on.")] = None,
    height_m: Annotated[float | None, typer.Option(help="How high, in m.")] = None,
    azimuth_deg: Annotated[float | None, typer.Option(help="Where it looks, from north.")] = None,
    simulated: Annotated[bool, typer.Option("--simulated", help="It isn't real.")] = False,
    note: Annotated[str | None, typer.Option(help="What else to know.")] = None,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Enter a node, and where it is.

    Example: msl node add lamp-01 --lab nord --site park --from 2025-06-01T08:00+02:00
    """
    wanted = entry(
        Node, node_id=node_id, lab_id=lab, state="installed" if site else "created",
        simulated=simulated, note=note, created_at=time(created),
    )  # fmt: skip
    with writing(settings, actor) as conn:
        if site is None:
            row, stay = change.add(conn, wanted), None
        else:
            place = entry(
                Deployment, node_id=node_id, site_id=site, from_t=time(from_t), mount=mount,
                height_m=height_m, azimuth_deg=azimuth_deg,
            )  # fmt: skip
            row, stay = places.add_deployed_node(conn, wanted, place)
    if as_json:
        print_json(row | {"deployment": stay})
    else:
        typer.echo(f"added node {node_id}" + (f" at {site}" if site else ""))


@node.command("set")
def node_set(
    node_id: str,
    state: Annotated[str | None, typer.Option(help="created … commissioned … retired.")] = None,
    created: At = None,
    note: Annotated[str | None, typer.Option(help="What else to know.")] = None,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Change a node's state, creation or note. Example: msl node set lamp-01 --state retired"""
    given = {"state": state, "created_at": time(created), "note": note}
    values = {column: value for column, value in given.items() if value is not None}
    if not values:
        raise typer.BadParameter("nothing to change was given")
    entry(Node, node_id=node_id, lab_id="xx", **values)  # the same bounds as on entry
    with writing(settings, actor) as conn:
        row = change.set_columns(conn, "node", node_id, **values)
    print_json(row) if as_json else typer.echo(f"changed node {node_id}: {', '.join(values)}")


@node.command("list")
def node_list(
    lab: Annotated[str | None, typer.Option(help="Of this lab only.")] = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """All nodes, and where each is now. Example: msl node list"""
    with reading(settings) as conn:
        rows = read.nodes_now(conn, lab)
    columns = ["node_id", "lab_id", "state", "site_id", "simulated", "created_at"]
    print_json(rows) if as_json else print_table(rows, columns, "no node yet")


@node.command("show")
def node_show(node_id: str, settings: SettingsFile = None, as_json: Json = False) -> None:
    """One node, its stays and calibrations. Example: msl node show lamp-01"""
    with reading(settings) as conn:
        row = read.shown(conn, "node", node_id)
        stays = read.listed(conn, "deployment", node_id=node_id)
        calibrations = read.listed(conn, "calibration", node_id=node_id)
    if as_json:
        print_json(row | {"deployments": stays, "calibrations": calibrations})
        return
    print_row(row)
    typer.echo()
    print_table(stays, ["deployment_id", "site_id", "from_t", "to_t", "mount"], "nowhere yet")
    typer.echo()
    columns = ["calibration_id", "quantity", "line", "from_t", "gain", "offset", "revoked_at"]
    print_table(calibrations, columns, "never calibrated")


@registry.callback()
def _registry() -> None:
    """With a callback it stays a group, though it has one command only."""


@registry.command("load")
def load(
    file: Path,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Make the registry hold what a TOML file says; safe to repeat.

    Tables [[lab]], [[site]], [[node]], [[deployment]], [[calibration]], [[exclusion]],
    [[intervention]] with the columns' names. Example: msl registry load pilot.toml
    """
    pilot = read_pilot(file)
    with reading(settings) as conn:
        done = load_pilot(conn, pilot, actor or getpass.getuser())
    if as_json:
        print_json({"changed": done.changed, "unchanged_n": done.unchanged_n})
        return
    said = ", ".join(f"{n} {table}" for table, n in done.changed.items()) or "nothing"
    typer.echo(f"changed: {said}; {done.unchanged_n} as they were")
