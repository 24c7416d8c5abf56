"""The registry over HTTP: labs, sites, nodes and interventions."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from server.api import registry_models as m
from server.api.auth import Writer
from server.api.database import Connection, Database
from server.api.errors import CONFLICT, ERRORS, NOT_FOUND, WRITE_DENIED
from server.api.registry_access import alter, as_model, enter, show
from server.registry import entries, read

router = APIRouter(prefix="/api/v1/registry", tags=["registry"], responses=ERRORS)

ADDS: dict[str, Any] = {"status_code": 201, "responses": {**WRITE_DENIED, **CONFLICT}}
CHANGES: dict[str, Any] = {"responses": {**WRITE_DENIED, **CONFLICT, **NOT_FOUND}}
SHOWS: dict[str, Any] = {"responses": NOT_FOUND}

Key = Annotated[str, Path(max_length=48, description="its id")]
OfLab = Annotated[str | None, Query(max_length=48, description="of this lab only")]


@router.get("/labs", summary="All labs")
def labs(conn: Database) -> list[m.Lab]:
    """Ordered by id."""
    return [as_model(m.Lab, row) for row in read.listed(conn, "lab")]


@router.get("/labs/{lab_id}", summary="One lab", **SHOWS)
def lab(conn: Database, lab_id: Key) -> m.Lab:
    """As it is registered."""
    return as_model(m.Lab, show(conn, "lab", lab_id))


@router.post("/labs", summary="Enter a lab", **ADDS)
def add_lab(actor: Writer, conn: Database, body: m.NewLab) -> m.Lab:
    """Recorded in the audit."""
    return as_model(m.Lab, enter(conn, actor, entries.Lab, body))


@router.patch("/labs/{lab_id}", summary="Change a lab", **CHANGES)
def change_lab(actor: Writer, conn: Database, lab_id: Key, body: m.LabChange) -> m.Lab:
    """What the body doesn't name stays."""
    return as_model(m.Lab, alter(conn, actor, entries.Lab, lab_id, body))


@router.get("/sites", summary="All sites")
def sites(conn: Database, lab: OfLab = None) -> list[m.Site]:
    """Ordered by lab and id."""
    return [as_model(m.Site, row) for row in read.listed(conn, "site", lab_id=lab)]


@router.get("/sites/{site_id}", summary="One site", **SHOWS)
def site(conn: Database, site_id: Key) -> m.Site:
    """As it is registered."""
    return as_model(m.Site, show(conn, "site", site_id))


@router.post("/sites", summary="Enter a site", **ADDS)
def add_site(actor: Writer, conn: Database, body: m.NewSite) -> m.Site:
    """Recorded in the audit."""
    return as_model(m.Site, enter(conn, actor, entries.Site, body))


@router.patch("/sites/{site_id}", summary="Change a site", **CHANGES)
def change_site(actor: Writer, conn: Database, site_id: Key, body: m.SiteChange) -> m.Site:
    """What the body doesn't name stays. Another zone makes other local days."""
    return as_model(m.Site, alter(conn, actor, entries.Site, site_id, body))


@router.get("/nodes", summary="All nodes as they are registered")
def nodes(conn: Database, lab: OfLab = None) -> list[m.Node]:
    """Ordered by lab and id; what they measure is at /api/v1/nodes."""
    return [as_model(m.Node, row) for row in read.listed(conn, "node", lab_id=lab)]


@router.get("/nodes/{node_id}", summary="One node as it is registered", **SHOWS)
def node(conn: Database, node_id: Key) -> m.Node:
    """What it measures is at /api/v1/nodes/{node_id}/latest."""
    return as_model(m.Node, show(conn, "node", node_id))


@router.post("/nodes", summary="Enter a node", **ADDS)
def add_node(actor: Writer, conn: Database, body: m.NewNode) -> m.Node:
    """It counts for a site by a deployment."""
    return as_model(m.Node, enter(conn, actor, entries.Node, body))


@router.patch("/nodes/{node_id}", summary="Change a node", **CHANGES)
def change_node(actor: Writer, conn: Database, node_id: Key, body: m.NodeChange) -> m.Node:
    """What the body doesn't name stays."""
    return as_model(m.Node, alter(conn, actor, entries.Node, node_id, body))


@router.get("/interventions", summary="All interventions with their arms")
def interventions(conn: Database, lab: OfLab = None) -> list[m.Intervention]:
    """Ordered by lab and begin."""
    rows = read.listed(conn, "intervention", lab_id=lab)
    return [_with_arms(conn, row) for row in rows]


@router.get("/interventions/{intervention_id}", summary="One intervention", **SHOWS)
def intervention(conn: Database, intervention_id: Key) -> m.Intervention:
    """With the sites of its arms."""
    return _with_arms(conn, show(conn, "intervention", intervention_id))


@router.post("/interventions", summary="Enter an intervention", **ADDS)
def add_intervention(actor: Writer, conn: Database, body: m.NewIntervention) -> m.Intervention:
    """Its arms are the only place that says which sites are treated and which compared."""
    return _with_arms(conn, enter(conn, actor, entries.Intervention, body))


@router.patch("/interventions/{intervention_id}", summary="Change an intervention", **CHANGES)
def change_intervention(
    actor: Writer, conn: Database, intervention_id: Key, body: m.InterventionChange
) -> m.Intervention:
    """What the body doesn't name stays; `arms` replaces them all."""
    return _with_arms(conn, alter(conn, actor, entries.Intervention, intervention_id, body))


def _with_arms(conn: Connection, row: dict[str, Any]) -> m.Intervention:
    arms = read.arms(conn, row["intervention_id"])
    return as_model(m.Intervention, {**row, "arms": arms})
