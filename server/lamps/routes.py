"""Lamps over HTTP: what they do, their episodes and the duty list; changes need the write token."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse

from server.api.auth import Writer
from server.api.database import Connection, Database
from server.api.errors import CONFLICT, ERRORS, NOT_FOUND, WRITE_DENIED, ApiError, bad_request
from server.api.registry_access import show
from server.api.zones import site_zone
from server.lamps import duty, models, ngsi, read, wording
from server.lamps.duty_rules import DutyRules, rules_of, set_rules
from server.lamps.indicators import Scope, indicators
from server.registry.change import changing
from server.registry.errors import NotFound, RegistryError

NGSI_LD = "application/ld+json"
MAX_NIGHTS = 800

router = APIRouter(prefix="/api/v1", tags=["lamps"], responses=ERRORS)

NodeId = Annotated[str, Path(max_length=32, description="id of a node that watches a lamp")]
EpisodeId = Annotated[int, Path(ge=1, le=2**62, description="its number")]
OfSite = Annotated[str | None, Query(max_length=48, description="of this site only")]
OfFeeder = Annotated[str | None, Query(max_length=100, description="of this feeder only")]
OfNode = Annotated[str | None, Query(max_length=32, description="of this lamp only")]


@router.get("/lamps", summary="Every lamp and what it does")
def lamps(conn: Database, site: OfSite = None) -> models.LampList:
    """Told from light alone. A lamp that isn't recognised yet says nothing."""
    return models.LampList(lamps=[_lamp(row) for row in read.lamps(conn, site)])


@router.get(
    "/lamps.jsonld",
    summary="Every lamp as an NGSI-LD Streetlight",
    response_class=JSONResponse,
    responses={
        200: {
            "description": "Entities of the smart data model Streetlight",
            "content": {
                NGSI_LD: {
                    "schema": {
                        "type": "array",
                        "items": {"type": "object", "required": ["id", "type", "@context"]},
                    }
                }
            },
        }
    },
)
def lamps_ngsi(conn: Database, site: OfSite = None) -> Any:
    """What isn't known is left out: no `powerState` by day, no `status` before it is recognised."""
    entities = [ngsi.streetlight(row, row["open_kinds"]) for row in read.lamps(conn, site)]
    return JSONResponse(entities, media_type=NGSI_LD)


@router.get("/lamps/{node}", summary="One lamp", responses=NOT_FOUND)
def lamp(conn: Database, node: NodeId) -> models.Lamp:
    """As in the list."""
    return _lamp(_known(conn, node))


@router.get("/lamps/{node}/episodes", summary="Faults of a lamp", responses=NOT_FOUND)
def lamp_episodes(conn: Database, node: NodeId) -> models.EpisodeList:
    """The newest first; retracted ones too, marked so."""
    _known(conn, node)
    return models.EpisodeList(episodes=[_episode(row) for row in duty.episodes(conn, node=node)])


@router.get("/lamps/{node}/episodes/{episode}", summary="One fault", responses=NOT_FOUND)
def lamp_episode(conn: Database, node: NodeId, episode: EpisodeId) -> models.EpisodeWithTrail:
    """With everything that people did about it."""
    return _with_trail(conn, _found(conn, node, episode))


@router.post(
    "/lamps/{node}/episodes/{episode}/actions",
    summary="Acknowledge, assign, note, close or reopen",
    status_code=201,
    responses={**WRITE_DENIED, **CONFLICT, **NOT_FOUND},
)
def act(
    actor: Writer, conn: Database, node: NodeId, episode: EpisodeId, body: models.NewAction
) -> models.EpisodeWithTrail:
    """Appended to the episode's trail, which is never changed."""
    _found(conn, node, episode)
    try:
        row = duty.act(
            conn, episode, body.action, body.actor or actor, node=node,
            assignee=body.assignee, note=body.note,
        )  # fmt: skip
    except RegistryError as error:
        raise ApiError(409, "conflict", str(error)) from None
    return _with_trail(conn, row)


@router.get("/duty", summary="What is to be done, first things first")
def duty_list(conn: Database, site: OfSite = None) -> models.DutyList:
    """Open episodes by the points of the lab's rules, with the reasons of each."""
    at = datetime.now(UTC)
    duties = [
        models.Duty(
            episode=_episode(one.episode),
            points=one.points,
            reasons=[models.Reason(points=r.points, why=r.why) for r in one.reasons],
            days_open=one.days_open,
            late=one.late,
            next_step=wording.next_step(one.episode["kind"]),
        )
        for one in duty.duty_list(conn, site, at)
    ]
    return models.DutyList(at=at, duties=duties)


@router.get(
    "/duty/rules/{lab}", summary="In which order a lab does its faults", responses=NOT_FOUND
)
def duty_rules(
    conn: Database, lab: Annotated[str, Path(max_length=32, description="id of a lab")]
) -> models.Rules:
    """The defaults where the lab has set none."""
    show(conn, "lab", lab)
    return models.Rules.model_validate(msgspec.to_builtins(rules_of(conn, lab)))


@router.put(
    "/duty/rules/{lab}",
    summary="Set that order",
    responses={**WRITE_DENIED, **NOT_FOUND},
)
def set_duty_rules(
    actor: Writer,
    conn: Database,
    lab: Annotated[str, Path(max_length=32, description="id of a lab")],
    body: models.Rules,
) -> models.Rules:
    """All of it at once; recorded in the audit."""
    show(conn, "lab", lab)
    try:
        rules = msgspec.convert(body.model_dump(), DutyRules)
    except msgspec.ValidationError as error:
        raise ApiError(400, "invalid_request", str(error)) from None
    with changing(conn, actor):
        set_rules(conn, lab, rules)
    return body


@router.get("/lamp-indicators", summary="Availability, switching, level, energy, time to repair")
def lamp_indicators(
    conn: Database,
    first: Annotated[
        date | None, Query(description="date of the first night; default 30 ago")
    ] = None,
    last: Annotated[date | None, Query(description="date of the last night; default last")] = None,
    site: OfSite = None,
    feeder: OfFeeder = None,
    node: OfNode = None,
) -> models.IndicatorList:
    """Each with its coverage; null with the reason under 80 %, or without what it needs."""
    until = last or datetime.now(UTC).date() - timedelta(days=1)
    since = first or until - timedelta(days=29)
    if not timedelta(0) <= until - since < timedelta(days=MAX_NIGHTS):
        raise bad_request("first", f"{since} to {until} is not 1 to {MAX_NIGHTS} nights")
    found = indicators(
        conn,
        Scope(first=since, last=until, site=site, feeder=feeder, node=node),
        repair_within_days=DutyRules().repair_within_days,
        now=datetime.now(UTC),
    )
    shown = [models.Indicator.model_validate(one.as_json()) for one in found]
    return models.IndicatorList(first=since, last=until, indicators=shown)


def _known(conn: Connection, node: str) -> read.Row:
    try:
        return read.lamp(conn, node)
    except NotFound as error:
        raise ApiError(404, "not_found", str(error)) from None


def _found(conn: Connection, node: str, episode: int) -> duty.Row:
    try:
        return duty.episode(conn, episode, node)
    except NotFound as error:
        raise ApiError(404, "not_found", str(error)) from None


def _lamp(row: read.Row) -> models.Lamp:
    return models.Lamp(
        node=row["node_id"],
        site=row["site_id"],
        site_name=row["site"],
        time_zone=row["tz"],
        simulated=row["simulated"],
        feeder=row["feeder"],
        lighting_class=row["class"],
        latitude=row["latitude"],
        longitude=row["longitude"],
        state=row["state"],
        at=row["at_t"],
        since=row["since_t"],
        recognised=row["learned"],
        open_faults=row["open_kinds"],
        level=row["level"],
        level_lx=row["level_lx"],
    )


def _episode(row: duty.Row) -> models.Episode:
    return models.Episode.model_validate(_fields(row))


def _fields(row: duty.Row) -> dict[str, Any]:
    return {
        "episode": row["episode_id"],
        "node": row["node_id"],
        "site": row["site_id"],
        "from": row["from_t"],
        "to": row["to_t"],
        "raised": row["raised_t"],
        "confidence": round(row["confidence"], 3),
        "why": wording.why(row, site_zone(row["tz"])),
        **{
            name: row[name]
            for name in ("kind", "source", "status", "evidence", "closed_by", "lamps",
                         "acknowledged_by", "assignee")
        },
    }  # fmt: skip


def _with_trail(conn: Connection, row: duty.Row) -> models.EpisodeWithTrail:
    fields = _fields(row) | {"trail": duty.trail(conn, row["episode_id"])}
    return models.EpisodeWithTrail.model_validate(fields)
