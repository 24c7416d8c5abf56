"""`msl lamps`: what the light says about each lamp, and what people do about it."""

import getpass
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
import typer

from server.api.zones import site_zone
from server.db.connect import connect
from server.lamps import duty, read, wording
from server.lamps.duty_rules import DutyRules, rules_of, set_rules
from server.lamps.explain import explain, picture
from server.lamps.indicators import Scope, indicators
from server.lamps.recompute import recompute_sites
from server.lighting import command as from_light
from server.registry import change
from server.registry import read as registry
from server.registry.entries import Lamp
from server.registry.errors import RegistryError
from server.registry.options import Actor, Json, SettingsFile, entry, reading, time, writing
from server.registry.printing import print_json, print_table
from server.settings import load

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Lamps by their light. Example: msl lamps list",
)

OfSite = Annotated[str | None, typer.Option("--site", help="Of this site only.")]


@app.callback()
def _lamps() -> None:
    """Lamps by their light alone; every episode is marked optical-inferred."""


@app.command("list")
def listed(site: OfSite = None, settings: SettingsFile = None, as_json: Json = False) -> None:
    """All lamps and what they do now. Example: msl lamps list --site park"""
    with reading(settings) as conn:
        rows = read.lamps(conn, site)
    if as_json:
        print_json([_plain(row) for row in rows])
        return
    columns = ["node_id", "site_id", "feeder", "class", "state", "since_t", "open"]
    shown = [
        {
            **row,
            "node_id": row["node_id"] + (" SIMULATED" if row["simulated"] else ""),
            "state": row["state"] if row["learned"] else "not recognised yet",
            "open": ", ".join(row["open_kinds"]) or None,
        }
        for row in rows
    ]
    print_table(shown, columns, "no node watches a lamp yet; enter one: msl lamps add NODE")


@app.command("explain")
def explained(
    node_id: str,
    plot: Annotated[Path | None, typer.Option(help="Write the picture here, as SVG.")] = None,
    days: Annotated[int, typer.Option(min=1, max=60, help="Days in the picture.")] = 7,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Why the system believes what it believes of a lamp, with its picture.

    Example: msl lamps explain lamp-01 --plot lamp-01.svg
    """
    now = datetime.now(UTC)
    with reading(settings) as conn:
        found = explain(conn, node_id, now)
        if plot is not None:
            end = found.lamp["at_t"] or now
            plot.write_text(picture(conn, node_id, end - timedelta(days=days), end), "utf-8")
    if as_json:
        print_json(found.as_json())
        return
    simulated = " SIMULATED" if found.lamp["simulated"] else ""
    typer.echo(f"{node_id}{simulated} at {found.lamp['site']}: {found.present}")
    typer.echo(found.habit)
    for one in found.told:
        typer.echo(f"\nepisode {one.episode['episode_id']}: {one.title}, {one.status}")
        for sentence in one.sentences:
            typer.echo(f"  {sentence}")
        if one.episode["status"] in duty.OPEN:
            typer.echo(f"  Next: {one.next_step}")
        for deed in one.trail:
            typer.echo(f"  {_deed(deed, found.zone)}")
    if not found.told:
        typer.echo("No fault of it was told.")


@app.command("recompute")
def recompute(
    from_csv: Annotated[
        Path | None,
        typer.Option(help="Samples: columns t (unix seconds), node, lux; none: the database's."),
    ] = None,
    site_lat: Annotated[
        float | None, typer.Option(min=-90, max=90, help="With --from-csv: degrees north.")
    ] = None,
    site_lon: Annotated[
        float | None, typer.Option(min=-180, max=180, help="With --from-csv: degrees east.")
    ] = None,
    feeder_map: Annotated[
        Path | None, typer.Option(help="With --from-csv: columns node, feeder.")
    ] = None,
    site: OfSite = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Tell all episodes anew: of the database's lamps, or of a CSV file.

    Of the database, every fault keeps its number and what people said about it; run it as
    msl_worker. Example: msl lamps recompute --site park, or msl lamps recompute --from-csv lux.csv
    --site-lat 52.5 --site-lon 13.4 --json
    """
    if from_csv is not None:
        if site_lat is None or site_lon is None:
            raise typer.BadParameter("--from-csv needs --site-lat and --site-lon")
        from_light.recompute(from_csv, site_lat, site_lon, feeder_map, as_json)
        return
    values = load(settings)
    kept = timedelta(days=values.retention_light_days)
    with connect(values.dsn(), name="msl lamps", autocommit=True) as conn:
        done = recompute_sites(conn, datetime.now(UTC) - kept, site)
        if as_json:
            rows = duty.episodes(conn, site=site, statuses=("open", "acknowledged", "over",
                                                            "closed"), limit=1_000_000)  # fmt: skip
            print_json([_episode(row) for row in rows])
            return
    for one in done:
        typer.echo(
            f"{one.site_id}: {one.lamps_n} lamps, {one.begun_n} episodes begun, {one.changed_n}"
            f" changed, {one.retracted_n} retracted"
        )
    if not done:
        typer.echo("no site with lamps; enter one: msl lamps add NODE")


@app.command("add")
def add(
    node_id: str,
    from_t: Annotated[str, typer.Option("--from", help="Time with its zone, or now.")] = "now",
    feeder: Annotated[str | None, typer.Option(help="Its feeder; none: all of the site's.")] = None,
    commissioned_lx: Annotated[
        float | None, typer.Option(help="Night level at the node when new, lx.")
    ] = None,
    survey_factor: Annotated[
        float | None, typer.Option(help="Average of the survey's grid / level at the node then.")
    ] = None,
    surveyed_on: Annotated[str | None, typer.Option(help="Date of the survey.")] = None,
    survey_uncertainty: Annotated[
        float | None, typer.Option(help="Of the factor: relative, standard.")
    ] = None,
    lighting_class: Annotated[str | None, typer.Option(help="If not the site's.")] = None,
    rated_w: Annotated[float | None, typer.Option(help="Rated power in W.")] = None,
    note: Annotated[str | None, typer.Option(help="What else to know.")] = None,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Let a node watch a lamp; holds until its next row.

    Example: msl lamps add lamp-01 --from 2025-06-01T12:00Z --feeder F3 --rated-w 35
    """
    wanted = entry(
        Lamp, node_id=node_id, from_t=time(from_t), feeder=feeder, commissioned_lx=commissioned_lx,
        survey_factor=survey_factor, surveyed_on=surveyed_on,
        survey_uncertainty=survey_uncertainty, lighting_class=lighting_class, rated_w=rated_w,
        note=note,
    )  # fmt: skip
    with writing(settings, actor) as conn:
        row = change.add(conn, wanted)
    print_json(row) if as_json else typer.echo(f"added lamp {row['lamp_id']}: {node_id}")


@app.command("registered")
def registered(settings: SettingsFile = None, as_json: Json = False) -> None:
    """All rows of lamps, revoked ones too. Example: msl lamps registered"""
    with reading(settings) as conn:
        rows = registry.listed(conn, "lamp")
    columns = ["lamp_id", "node_id", "from_t", "feeder", "commissioned_lx", "survey_factor",
               "surveyed_on", "lighting_class", "rated_w", "revoked_at"]  # fmt: skip
    print_json(rows) if as_json else print_table(rows, columns, "no lamp yet")


@app.command("revoke")
def revoke(
    key: int, actor: Actor = None, settings: SettingsFile = None, as_json: Json = False
) -> None:
    """Let a row of a lamp count no longer. Example: msl lamps revoke 3"""
    with writing(settings, actor) as conn:
        row = change.revoke(conn, "lamp", key)
    print_json(row) if as_json else typer.echo(f"revoked lamp {key}")


@app.command("duty")
def duty_list(site: OfSite = None, settings: SettingsFile = None, as_json: Json = False) -> None:
    """What is to be done, first things first. Example: msl lamps duty --site park"""
    with reading(settings) as conn:
        duties = duty.duty_list(conn, site)
    if as_json:
        print_json(
            [
                _episode(one.episode)
                | {"points": one.points, "late": one.late, "urgent": one.urgent,
                   "reasons": [f"{r.points:g} {r.why}" for r in one.reasons]}
                for one in duties
            ]
        )  # fmt: skip
        return
    rows = [
        {
            "points": f"{one.points:g}",
            "episode": one.episode["episode_id"],
            "node_id": one.episode["node_id"],
            "site_id": one.episode["site_id"],
            "what": wording.kind_words(one.episode["kind"]),
            "since": wording.clock(one.episode["from_t"], site_zone(one.episode["tz"])),
            "status": one.episode["status"] + (", late" if one.late else ""),
            "assignee": one.episode["assignee"],
        }
        for one in duties
    ]
    columns = ["points", "episode", "node_id", "site_id", "what", "since", "status", "assignee"]
    print_table(rows, columns, "nothing to do")


@app.command("act")
def act(
    episode_id: int,
    action: Annotated[str, typer.Argument(help=", ".join(duty.ACTIONS))],
    note: Annotated[str | None, typer.Option(help="What was found, what was done.")] = None,
    assignee: Annotated[str | None, typer.Option(help="With assign: to whom.")] = None,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Acknowledge, assign, note, close or reopen an episode; the trail keeps it.

    Example: msl lamps act 12 close --note "driver changed"
    """
    if action not in duty.ACTIONS:
        raise typer.BadParameter(f"{action!r} is none of {', '.join(duty.ACTIONS)}")
    with reading(settings) as conn:
        row = duty.act(
            conn, episode_id, cast(duty.Action, action), actor or getpass.getuser(),
            assignee=assignee, note=note,
        )  # fmt: skip
    print_json(_episode(row)) if as_json else typer.echo(f"episode {episode_id}: {row['status']}")


@app.command("rules")
def rules(
    lab_id: str,
    set_file: Annotated[
        Path | None, typer.Option("--set", help="JSON with the rules, as --json prints them.")
    ] = None,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """In which order a lab does its faults. Example: msl lamps rules nord --json > rules.json"""
    with writing(settings, actor) as conn:
        registry.shown(conn, "lab", lab_id)
        if set_file is not None:
            set_rules(conn, lab_id, _read_rules(set_file))
        found = rules_of(conn, lab_id)
    if as_json:
        print_json(found)
        return
    for name, value in msgspec.to_builtins(found).items():
        typer.echo(f"{name:20} {json.dumps(value)}")


@app.command("indicators")
def show_indicators(
    first: Annotated[str | None, typer.Option(help="Date of the first night; 30 ago.")] = None,
    last: Annotated[str | None, typer.Option(help="Date of the last night; the last one.")] = None,
    site: OfSite = None,
    feeder: Annotated[str | None, typer.Option(help="Of this feeder only.")] = None,
    node: Annotated[str | None, typer.Option(help="Of this lamp only.")] = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Availability, lit share, switching, level, energy, time to repair, each with coverage.

    Example: msl lamps indicators --site park --first 2025-11-01 --last 2025-11-30
    """
    until = date.fromisoformat(last) if last else datetime.now(UTC).date() - timedelta(days=1)
    since = date.fromisoformat(first) if first else until - timedelta(days=29)
    scope = Scope(first=since, last=until, site=site, feeder=feeder, node=node)
    with reading(settings) as conn:
        found = indicators(
            conn, scope, repair_within_days=DutyRules().repair_within_days, now=datetime.now(UTC)
        )
    if as_json:
        print_json([one.as_json() for one in found])
        return
    rows = [
        one.as_json()
        | {"value": None if one.value is None else f"{one.value:.3g}",
           "coverage": None if one.coverage is None else f"{one.coverage:.0%}"}
        for one in found
    ]  # fmt: skip
    print_table(rows, ["name", "value", "unit", "coverage", "note"], "nothing")


def _read_rules(file: Path) -> DutyRules:
    try:
        return msgspec.json.decode(file.read_bytes(), type=DutyRules)
    except OSError as error:
        raise RegistryError(f"{file} can't be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise RegistryError(f"{file}: {error}") from error


def _deed(deed: duty.Row, zone: Any) -> str:
    whom = f" to {deed['assignee']}" if deed["assignee"] else ""
    said = f": {deed['note']}" if deed["note"] else ""
    return f"{wording.clock(deed['at'], zone)} {deed['actor']}: {deed['action']}{whom}{said}"


def _plain(row: read.Row) -> dict[str, Any]:
    names = ("node_id", "site_id", "feeder", "class", "state", "at_t", "since_t", "learned",
             "simulated", "open_kinds", "level", "level_lx", "latitude", "longitude")  # fmt: skip
    return {name: row[name] for name in names}


def _episode(row: duty.Row) -> dict[str, Any]:
    names = ("kind", "source", "status", "confidence", "evidence", "closed_by", "lamps",
             "acknowledged_by", "assignee")  # fmt: skip
    return {
        "episode": row["episode_id"], "node": row["node_id"], "site": row["site_id"],
        "from": row["from_t"], "to": row["to_t"], **{name: row[name] for name in names},
    }  # fmt: skip
