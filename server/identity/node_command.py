"""`msl node invite|requests|approve|refuse|certificates|revoke|replace|alarms`: who may connect.

They stand beside the registry's own `msl node` commands.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
import typer

from server.identity import enrolment
from server.registry import change, places, read
from server.registry.command import node
from server.registry.entries import Deployment, Node
from server.registry.options import Actor, Json, SettingsFile, reading, writing
from server.registry.printing import print_json, print_table

Why = Annotated[str, typer.Option(help="For the audit, such as stolen.")]


@node.command("invite")
def invite(
    node_id: str,
    days: Annotated[int, typer.Option(min=1, max=90, help="How long the token is good.")] = 14,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Make a one-use token for a node's first request; shown once and kept nowhere.

    Example: msl node invite lamp-01
    """
    with writing(settings, actor) as conn:
        token = enrolment.invite(conn, node_id, actor or "msl", timedelta(days=days))
    if as_json:
        print_json({"node_id": node_id, "token": token, "days": days})
        return
    typer.echo(f"{token}   good once, for {days} days, for {node_id}")


@node.command("requests")
def requests(settings: SettingsFile = None, as_json: Json = False) -> None:
    """Requests that wait for a person, with what to compare. Example: msl node requests"""
    with reading(settings) as conn:
        rows = [{**row, "key": row.pop("key_sha256").hex()[:16]} for row in enrolment.pending(conn)]
    columns = ["node_id", "board", "key", "requested_at"]
    print_json(rows) if as_json else print_table(rows, columns, "nobody waits")


@node.command("approve")
def approve(
    node_id: str,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Let a node that asked have its certificate. Example: msl node approve lamp-01"""
    with writing(settings, actor) as conn:
        row = enrolment.decide(conn, node_id, approve=True, actor=actor or "msl")
    key = row["key_sha256"].hex()[:16]
    if as_json:
        print_json({"node_id": node_id, "state": "approved", "key": key})
        return
    typer.echo(f"approved {node_id}, key {key}; the worker signs within a minute")


@node.command("refuse")
def refuse(
    node_id: str,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Turn a request away; the node needs a new token. Example: msl node refuse lamp-01"""
    with writing(settings, actor) as conn:
        enrolment.decide(conn, node_id, approve=False, actor=actor or "msl")
    said = {"node_id": node_id, "state": "refused"}
    print_json(said) if as_json else typer.echo(f"refused {node_id}")


@node.command("certificates")
def certificates(
    node_id: Annotated[str | None, typer.Argument(help="Of this node only.")] = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Certificates issued, and which are revoked. Example: msl node certificates lamp-01"""
    with reading(settings) as conn:
        rows = enrolment.certificates(conn, node_id)
    columns = ["node_id", "serial", "not_after", "revoked_at", "revoked_why"]
    print_json(rows) if as_json else print_table(rows, columns, "none issued yet")


@node.command("revoke")
def revoke(
    node_id: str,
    why: Why,
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Revoke a node's certificates: ingest drops what it sends at once.

    The broker shuts it out when it has read the new list, at its next restart.

    Example: msl node revoke lamp-01 --why stolen
    """
    with writing(settings, actor) as conn:
        read.shown(conn, "node", node_id)
        revoked_n = enrolment.revoke(conn, node_id, why)
    if as_json:
        print_json({"node_id": node_id, "revoked_n": revoked_n})
        return
    typer.echo(f"revoked {revoked_n} certificates of {node_id}; restart the broker to cut it off")


@node.command("replace")
def replace(
    node_id: str,
    new_id: str,
    why: Why = "replaced",
    actor: Actor = None,
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Put another board in a node's place: a name of its own, the same site, the old one retired.

    Example: msl node replace lamp-01 lamp-01b --why "board died"
    """
    with writing(settings, actor) as conn:
        old = read.shown(conn, "node", node_id)
        now = datetime.now(UTC)
        fresh = Node(node_id=new_id, lab_id=old["lab_id"], simulated=old["simulated"])
        stays = [s for s in read.listed(conn, "deployment", node_id=node_id) if s["to_t"] is None]
        if stays:
            places.end_stay(conn, node_id, now)
            places.add_deployed_node(conn, fresh, _same_place(stays[0], new_id, now))
        else:
            change.add(conn, fresh)
        enrolment.revoke(conn, node_id, why)
        change.set_columns(conn, "node", node_id, state="retired")
        token = enrolment.invite(conn, new_id, actor or "msl")
    if as_json:
        print_json({"retired": node_id, "node_id": new_id, "token": token})
        return
    typer.echo(f"{node_id} is retired; {new_id} has its place. Token of {new_id}: {token}")


@node.command("alarms")
def alarms(settings: SettingsFile = None, as_json: Json = False) -> None:
    """Tokens used twice and revoked certificates that came back. Example: msl node alarms"""
    with reading(settings) as conn:
        rows = enrolment.alarms(conn)
    columns = ["at", "node_id", "kind", "detail"]
    print_json(rows) if as_json else print_table(rows, columns, "nothing to see to")


def _same_place(stay: read.Row, node_id: str, at: datetime) -> Deployment:
    names = set(Deployment.__struct_fields__) - {"node_id", "from_t", "to_t"}
    kept = {name: stay[name] for name in names if stay.get(name) is not None}
    return msgspec.convert({**kept, "node_id": node_id, "from_t": at}, Deployment)
