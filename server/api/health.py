"""`/healthz`: can this process serve, and is data coming in."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from server.api.database import Connection
from server.api.errors import DATABASE_ERRORS, ERRORS
from server.db.migrate import read_migrations

# Nodes send every minute: a quarter of an hour without a single one is not chance.
INGEST_STALE_S = 900.0

router = APIRouter(tags=["health"])


class DatabaseHealth(BaseModel):
    """Whether the database answers."""

    reachable: bool


class MigrationHealth(BaseModel):
    """Whether the tables are those that this software was written for."""

    current: bool
    applied: int
    expected: int


class IngestHealth(BaseModel):
    """How long ago anything was received."""

    state: Literal["fresh", "stale", "never"]
    last_at: datetime | None = None
    age_s: float | None = None


class Health(BaseModel):
    """200 while this process can serve; 503 when it can't.

    Stale ingest alone is `degraded` with 200: restarting this process would not bring data.
    """

    status: Literal["ok", "degraded", "unavailable"]
    database: DatabaseHealth
    migrations: MigrationHealth | None = Field(default=None, description="null: can't be asked")
    ingest: IngestHealth | None = Field(default=None, description="null: can't be asked")
    live: bool = Field(description="whether the console hears the database's notifications")


@router.get(
    "/healthz",
    summary="Whether this server can serve, and whether data is coming in",
    responses={**ERRORS, 503: {"model": Health, "description": "It can't serve"}},
)
def healthz(request: Request, response: Response) -> Health:
    """For load balancers and monitoring; needs no token and tells nothing about nodes."""
    live = bool(request.app.state.live.listening)
    try:
        with request.app.state.lease() as conn:
            migrations = _migrations(conn)
            ingest = _ingest(conn) if migrations.current else None
    except DATABASE_ERRORS:
        response.status_code = 503
        return Health(status="unavailable", database=DatabaseHealth(reachable=False), live=False)
    if ingest is None:
        response.status_code = 503
    status: Literal["ok", "degraded", "unavailable"] = (
        "unavailable" if ingest is None else "ok" if ingest.state == "fresh" else "degraded"
    )
    return Health(
        status=status,
        database=DatabaseHealth(reachable=True),
        migrations=migrations,
        ingest=ingest,
        live=live,
    )


def _migrations(conn: Connection) -> MigrationHealth:
    expected = [(m.number, m.sha256) for m in read_migrations()]
    there = conn.execute("SELECT to_regclass('migration') IS NOT NULL").fetchone()
    applied = (
        conn.execute("SELECT number, sha256 FROM migration ORDER BY number").fetchall()
        if there and there[0]
        else []
    )
    return MigrationHealth(
        current=applied == expected, applied=len(applied), expected=len(expected)
    )


def _ingest(conn: Connection) -> IngestHealth:
    row = conn.execute(
        "SELECT max(last_at), extract(epoch FROM now() - max(last_at))::float8 FROM ledger"
    ).fetchone()
    if row is None or row[0] is None:
        return IngestHealth(state="never")
    last_at, age_s = row
    state: Literal["fresh", "stale"] = "fresh" if age_s <= INGEST_STALE_S else "stale"
    return IngestHealth(state=state, last_at=last_at, age_s=round(max(age_s, 0.0), 1))
