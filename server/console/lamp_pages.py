"""`/lamps`, `/lamps/{node}` and `/duty`: the city engineer's pages, drawn whole by the server."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from server.api.database import Database
from server.api.zones import site_zone
from server.console.night_view import Lane, Scale, lane, scale_of
from server.console.routes import templates
from server.console.wording import zone_name
from server.lamps import duty, read, wording
from server.lamps.duty_rules import DutyRules
from server.lamps.explain import explain, picture
from server.lamps.indicators import Scope, indicators
from server.registry.errors import NotFound

log = logging.getLogger(__name__)
router = APIRouter(tags=["console"])
_TEMPLATES = templates()
# Marks of the style sheet, by what a lamp does.
STATE_MARKS = {"lit": "good", "out": "bad", "day": "off", "can't tell": "wait", "no data": "warn"}
_SHOWN_DAYS = (3, 7, 30)

OfSite = Annotated[str | None, Query(max_length=48)]


@dataclass(frozen=True)
class LampRow:
    """One lamp of the night view."""

    node_id: str
    simulated: bool
    mark: str
    state: str
    faults: str
    lane: Lane | None
    night: str


@dataclass(frozen=True)
class SiteLamps:
    """The lamps of one site, on one scale of time."""

    site_id: str
    name: str
    zone: str
    scale: Scale | None
    rows: list[LampRow]


@router.get("/lamps", include_in_schema=False)
def lamps(
    conn: Database,
    night: Annotated[date | None, Query()] = None,
    site: OfSite = None,
) -> Response:
    """All lamps with one night each: the present one, or that of a date."""
    at = datetime.now(UTC)
    rows = read.lamps(conn, site)
    sites = [
        _site_lamps(conn, list(some), night, at)
        for _, some in groupby(rows, key=lambda row: row["site_id"])
    ]
    known = [row for row in rows if row["learned"]]
    counts = {state: sum(r["state"] == state for r in known) for state in STATE_MARKS}
    shown = night or (at - timedelta(hours=12)).date()
    return _page(
        "lamps.html", sites=sites, lamps_n=len(rows), at=at,
        counts=[(STATE_MARKS[s], wording.STATE_WORDS[s], n) for s, n in counts.items() if n],
        unrecognised_n=len(rows) - len(known),
        before=shown - timedelta(days=1), after=shown + timedelta(days=1), night=night,
    )  # fmt: skip


@router.get("/lamps/{node}", include_in_schema=False)
def lamp(
    conn: Database,
    node: Annotated[str, Path(max_length=32)],
    days: Annotated[int, Query(ge=1, le=60)] = 7,
) -> Response:
    """What is known of one lamp and why, with its light."""
    at = datetime.now(UTC)
    try:
        found = explain(conn, node, at)
    except NotFound as error:
        return _page("lamp_missing.html", status=404, why=str(error))
    end = found.lamp["at_t"] or at
    until = at.date() - timedelta(days=1)
    scope = Scope(first=until - timedelta(days=29), last=until, node=node)
    return _page(
        "lamp.html", found=found, at=at, zone=zone_name(at, found.zone), days=days,
        plot=picture(conn, node, end - timedelta(days=days), end), spans=_SHOWN_DAYS,
        mark=STATE_MARKS[found.lamp["state"]],
        words=wording.STATE_WORDS[found.lamp["state"]],
        clock=wording.clock, actions=_actions,
        indicators=indicators(conn, scope, repair_within_days=DutyRules().repair_within_days,
                              now=at),
    )  # fmt: skip


@router.get("/duty", include_in_schema=False)
def duty_page(conn: Database, request: Request, site: OfSite = None) -> Response:
    """What is to be done next."""
    at = datetime.now(UTC)
    duties = duty.duty_list(conn, site, at)
    lamps = read.lamps(conn, site)
    over = duty.episodes(conn, site=site, statuses=("over", "closed"), limit=10)
    return _page(
        "duty.html", duties=duties, over=over, at=at, words=wording.kind_words,
        lamps_n=len(lamps), unrecognised_n=sum(not row["learned"] for row in lamps),
        next_step=wording.next_step, zone_of=lambda row: site_zone(row["tz"]),
        clock=wording.clock, status_words=wording.STATUS_WORDS, actions=_actions,
        writing=request.app.state.write_token is not None,
    )  # fmt: skip


def _actions(status: str) -> list[str]:
    """What may be done about an episode of this status."""
    return {
        "open": ["acknowledge", "assign", "note", "close"],
        "acknowledged": ["assign", "note", "close"],
        "over": ["note", "close"],
        "closed": ["note", "reopen"],
        "retracted": ["note"],
    }[status]


def _site_lamps(conn: Any, rows: Sequence[read.Row], night: date | None, at: datetime) -> SiteLamps:
    zone = site_zone(rows[0]["tz"])
    # By day the night that is over is of more use than the one that hasn't come.
    shown = night or (at.astimezone(zone) - timedelta(hours=15)).date()
    by_node = {row["node_id"]: row for row in read.nights(conn, shown, shown)}
    nights = [by_node[row["node_id"]] for row in rows if row["node_id"] in by_node]
    scale = scale_of(nights, zone)
    return SiteLamps(
        site_id=rows[0]["site_id"],
        name=rows[0]["site"],
        zone=zone_name(at, zone),
        scale=scale,
        rows=[_lamp_row(row, by_node.get(row["node_id"]), scale, zone) for row in rows],
    )


def _lamp_row(
    row: read.Row, night: read.Row | None, scale: Scale | None, zone: ZoneInfo
) -> LampRow:
    told = None if night is None or scale is None else lane(night, scale, zone)
    return LampRow(
        node_id=row["node_id"],
        simulated=row["simulated"],
        mark="bad"
        if row["open_kinds"]
        else STATE_MARKS[row["state"]]
        if row["learned"]
        else "wait",
        state=wording.STATE_WORDS[row["state"]] if row["learned"] else "not recognised yet",
        faults=", ".join(wording.kind_words(kind) for kind in row["open_kinds"]),
        lane=told,
        night="nothing told of this night" if told is None else told.words,
    )


def _page(name: str, *, status: int = 200, **values: Any) -> Response:
    return HTMLResponse(_TEMPLATES.get_template(name).render(**values), status)
