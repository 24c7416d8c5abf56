"""`msl serve`."""

from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from fastapi import FastAPI

from server.api.app import create_app
from server.api.auth import read_write_token
from server.api.metrics import Metrics
from server.errors import MslError
from server.settings import load

app = typer.Typer(add_completion=False)

# Open pages reconnect by themselves; a request that takes longer than this has lost its reader.
STOP_TIMEOUT_S = 5


class Server(uvicorn.Server):
    """Ends the open event streams first: uvicorn would wait for them for ever."""

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Stop serving."""
        live = getattr(self.config.app.state, "live", None)  # type: ignore[union-attr]
        if live is not None:
            await live.close()
        await super().shutdown(sockets)  # type: ignore[arg-type]


@app.command()
def run(
    host: Annotated[str | None, typer.Option(help="Instead of serve_host.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of serve_port.")] = None,
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
) -> None:
    """Serve the API and the console, in front until Ctrl-C.

    Listens on loopback unless told otherwise; a reverse proxy brings TLS.
    Example: msl serve --port 8000
    """
    values = load(settings)
    metrics = Metrics()
    application = create_app(values.dsn(), write_token=read_write_token(values), metrics=metrics)
    where = host or values.serve_host, port or values.serve_port
    try:
        metrics.serve(values.metrics_host, values.serve_metrics_port)
    except OSError as error:
        raise MslError(
            f"metrics: {values.metrics_host}:{values.serve_metrics_port} can't be listened on:"
            f" {error.strerror}; set serve_metrics_port to a free port"
        ) from error
    typer.echo(f"msl serve: http://{where[0]}:{where[1]}")
    Server(server_config(application, *where)).run()


def server_config(application: FastAPI, host: str, port: int) -> uvicorn.Config:
    """How uvicorn runs the application; port 0 takes a free one."""
    return uvicorn.Config(
        application,
        host=host,
        port=port,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
        lifespan="on",
    )
