"""The application: API and console over one pool, built from what `msl serve` or a test gives."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from server.api import dated_routes, health, node_routes, registry_routes, series_routes
from server.api.coverage import CoverageToday
from server.api.database import lease_from, open_api_pool
from server.api.errors import LastResort, install_error_handlers
from server.api.limits import Limits
from server.api.metrics import Measured, Metrics
from server.completeness import routes as completeness_routes
from server.console import lamp_pages
from server.console import routes as console
from server.console.board import Board
from server.console.live import Live
from server.export import routes as export_routes
from server.lamps import routes as lamp_routes

DESCRIPTION = """
Light, footfall and noise of public space, as measured and with what is known about them.

- Times are UTC, ISO 8601; those you give need a zone (`2026-03-01T18:00:00Z`).
- What was not measured is null or has no row, never 0.
- Every error has one shape: `{"error": {"code", "message", "field"?}}`.
- Reading needs no token; changes need the server's write token, and are off without one.
"""


def create_app(
    dsn: str, *, write_token: str | None = None, metrics: Metrics | None = None
) -> FastAPI:
    """The application, serving the database at `dsn` (role `msl_api`).

    `write_token` None refuses every change.
    """
    metrics = metrics or Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = open_api_pool(dsn)
        app.state.lease = lease_from(pool)
        app.state.coverage = CoverageToday()
        board = Board(console.templates(), app.state.lease, app.state.coverage)
        app.state.board = board
        app.state.live = Live(board, dsn)
        metrics.watchers.set_function(lambda: app.state.live.watchers)
        metrics.listening.set_function(lambda: app.state.live.listening)
        try:
            async with app.state.live.running():
                yield
        finally:
            pool.close()

    app = FastAPI(
        title="Municipal Safety Lab",
        summary="What was measured, how complete it is, and what is known about it",
        description=DESCRIPTION,
        version=version("municipal-safety-lab"),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        # Their pages load scripts from elsewhere; the document itself is at /openapi.json.
        docs_url=None,
        redoc_url=None,
    )
    app.state.write_token = write_token
    install_error_handlers(app)
    for room in (health, node_routes, series_routes, registry_routes, dated_routes, console):
        app.include_router(room.router)
    app.include_router(completeness_routes.router)
    app.include_router(export_routes.router)
    app.include_router(lamp_routes.router)
    app.include_router(lamp_pages.router)
    app.mount("/static", console.static_files(), name="static")
    app.add_middleware(LastResort)
    # A page of 500 nodes is 2.6 MB, and a tenth of it on the way to a phone; event streams are
    # left alone.
    app.add_middleware(GZipMiddleware, minimum_size=2000, compresslevel=4)
    app.add_middleware(Measured, metrics=metrics)
    app.add_middleware(Limits)
    return app
