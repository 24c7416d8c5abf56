"""Nodes: what each one is doing, and the latest it has measured."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from server.api import latest, models
from server.api.database import Database
from server.api.errors import ERRORS, NOT_FOUND, not_found
from server.api.fleet import load_fleet

router = APIRouter(prefix="/api/v1", tags=["measurements"], responses=ERRORS)

NodeId = Annotated[str, Path(max_length=32, description="id of a node", examples=["plaza-01"])]


@router.get("/nodes", summary="Every node and the freshness of its streams")
def nodes(request: Request, conn: Database) -> models.NodeList:
    """Ordered by site. `condition` says what a stream is doing and, when it is silent, why."""
    return latest.node_list(load_fleet(conn, coverage=request.app.state.coverage))


@router.get(
    "/nodes/{node_id}/latest",
    summary="The newest accepted record of each stream of a node",
    responses=NOT_FOUND,
)
def latest_of_node(node_id: NodeId, conn: Database) -> models.Latest:
    """Held records are not in it: their time is not to be believed. Null is never 0."""
    fleet = load_fleet(conn, node_id=node_id)
    if not fleet.nodes:
        raise not_found("node", node_id, try_this="/api/v1/nodes lists them")
    return latest.latest(fleet.nodes[0], fleet.at)
