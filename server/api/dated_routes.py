"""The registry's dated rows over HTTP: they change what numbers mean, never the measurements."""

from datetime import UTC
from typing import Annotated

from fastapi import APIRouter, Path, Query

from server.api import registry_models as m
from server.api.auth import Writer
from server.api.database import Database
from server.api.errors import ERRORS, bad_request
from server.api.registry_access import alter_columns, as_model, enter, show, take_back
from server.api.registry_routes import ADDS, CHANGES, SHOWS
from server.registry import entries, read

router = APIRouter(prefix="/api/v1/registry", tags=["registry"], responses=ERRORS)

Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="its number")]
OfNode = Annotated[str | None, Query(max_length=48, description="of this node only")]
OfSite = Annotated[str | None, Query(max_length=48, description="of this site only")]


@router.get("/deployments", summary="Which node stood where, when")
def deployments(conn: Database, node: OfNode = None, site: OfSite = None) -> list[m.Deployment]:
    """Ordered by node and begin."""
    rows = read.listed(conn, "deployment", node_id=node, site_id=site)
    return [as_model(m.Deployment, row) for row in rows]


@router.get("/deployments/{number}", summary="One stay of a node at a site", **SHOWS)
def deployment(conn: Database, number: Number) -> m.Deployment:
    """As it is registered."""
    return as_model(m.Deployment, show(conn, "deployment", number))


@router.post("/deployments", summary="Place a node at a site", **ADDS)
def add_deployment(actor: Writer, conn: Database, body: m.NewDeployment) -> m.Deployment:
    """A node is in one place at a time; hours it touches are recomputed."""
    return as_model(m.Deployment, enter(conn, actor, entries.Deployment, body))


@router.post("/deployments/{number}/end", summary="End a node's stay", **CHANGES)
def end_deployment(actor: Writer, conn: Database, number: Number, body: m.End) -> m.Deployment:
    """From `at` on its records count for no site, until it is placed anew."""
    began, at = show(conn, "deployment", number)["from_t"], body.at.astimezone(UTC)
    if at <= began:
        raise bad_request("at", f"at {at.isoformat()} is not after its begin {began.isoformat()}")
    return as_model(m.Deployment, alter_columns(conn, actor, "deployment", number, to_t=at))


@router.get("/calibrations", summary="Dated corrections, revoked ones too")
def calibrations(conn: Database, node: OfNode = None) -> list[m.Calibration]:
    """Ordered by node, quantity and begin."""
    return [as_model(m.Calibration, row) for row in read.listed(conn, "calibration", node_id=node)]


@router.get("/calibrations/{number}", summary="One dated correction", **SHOWS)
def calibration(conn: Database, number: Number) -> m.Calibration:
    """As it is registered."""
    return as_model(m.Calibration, show(conn, "calibration", number))


@router.post("/calibrations", summary="Enter a calibration", **ADDS)
def add_calibration(actor: Writer, conn: Database, body: m.NewCalibration) -> m.Calibration:
    """Applied on read to every record from its begin on, until the next one."""
    return as_model(m.Calibration, enter(conn, actor, entries.Calibration, body))


@router.post("/calibrations/{number}/revoke", summary="Revoke a calibration", **CHANGES)
def revoke_calibration(actor: Writer, conn: Database, number: Number) -> m.Calibration:
    """It stays on record and applies to nothing."""
    return as_model(m.Calibration, take_back(conn, actor, "calibration", number))


@router.get("/exclusions", summary="Records that don't count, and why")
def exclusions(conn: Database, node: OfNode = None, site: OfSite = None) -> list[m.Exclusion]:
    """Ordered by begin; revoked ones too."""
    rows = read.listed(conn, "exclusion", node_id=node, site_id=site)
    return [as_model(m.Exclusion, row) for row in rows]


@router.get("/exclusions/{number}", summary="One exclusion", **SHOWS)
def exclusion(conn: Database, number: Number) -> m.Exclusion:
    """As it is registered."""
    return as_model(m.Exclusion, show(conn, "exclusion", number))


@router.post("/exclusions", summary="Exclude records from what is derived", **ADDS)
def add_exclusion(actor: Writer, conn: Database, body: m.NewExclusion) -> m.Exclusion:
    """The records stay as they are; hours they touch are marked as excluded."""
    return as_model(m.Exclusion, enter(conn, actor, entries.Exclusion, body))


@router.post("/exclusions/{number}/revoke", summary="Revoke an exclusion", **CHANGES)
def revoke_exclusion(actor: Writer, conn: Database, number: Number) -> m.Exclusion:
    """It stays on record and excludes nothing."""
    return as_model(m.Exclusion, take_back(conn, actor, "exclusion", number))
