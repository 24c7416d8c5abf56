"""`msl demo`."""

import os
import shutil
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from provisioning.localstack import BrokerTls, LocalStack, StackError, ports
from provisioning.localstack.progress import Say
from server.db.connect import connect
from server.db.edition import read_edition
from server.db.migrate import migrate
from server.demo import pilot
from server.demo.children import Children
from server.demo.credentials import Credentials, make_credentials
from server.demo.ready import wait_until_ready
from server.errors import MslError

app = typer.Typer(add_completion=False)

EXIT_VARIABLE = "MSL_DEMO_EXIT"
_DATABASE = "msl"
_ROLES = ("msl_ingest", "msl_worker", "msl_api")
_INGEST = "srv-ingest"
# Eighteen processes start on as few as two cores, and the first whole window must close.
_READY_WITHIN_S = 180.0
_WATCH_S = 1.0
_PAGE_PORT = 8000


@app.command()
def run(
    data_dir: Annotated[
        Path, typer.Option(help="Where database, spools, certificates and logs go; made anew.")
    ] = Path(".local/demo"),
    port: Annotated[
        int | None, typer.Option(help="Port of the page; default: 8000, or a free one.")
    ] = None,
) -> None:
    """Start everything on this machine with six simulated nodes, in front until Ctrl-C.

    Prints the page's address once a live record of every node has come back out of the database.
    With MSL_DEMO_EXIT=1 it stops then: exit 0, or 1 with what is missing.

    Example: msl demo --port 8080
    """
    # SIGINT too: a shell that starts us in the background has it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    started_s = time.monotonic()

    def say(text: str) -> None:
        typer.echo(f"[{time.monotonic() - started_s:5.1f} s] {text}")
        sys.stdout.flush()

    try:
        _run(data_dir.resolve(), port or _page_port(), say)
    except StackError as error:
        raise MslError(str(error)) from error
    except KeyboardInterrupt:
        say("stopped")


def _run(data_dir: Path, port: int, say: Say) -> None:
    say("making certificates for broker, ingester and nodes")
    credentials = make_credentials(data_dir / "pki", [_INGEST, *pilot.node_ids()])
    tls = BrokerTls(
        ca_file=credentials.ca_file,
        cert_file=credentials.broker.certificate,
        key_file=credentials.broker.key,
    )
    say("starting PostgreSQL with TimescaleDB, and Mosquitto (the first time builds them)")
    with LocalStack(data_dir / "stack", tls=tls, say=say) as stack:
        shutil.rmtree(data_dir / "nodes", ignore_errors=True)
        _prepare_database(stack, say)
        with Children(data_dir / "log") as children:
            _live(stack, children, credentials, data_dir, port, say)
        say("stopped in order")


def _prepare_database(stack: LocalStack, say: Say) -> None:
    dsn = stack.postgres.create_database(_DATABASE)
    migrate(dsn)
    stack.postgres.allow_login(*_ROLES)
    with connect(dsn, name="msl demo") as conn:
        say(f"database is up to date: {read_edition(conn)}")
        pilot.register(conn, datetime.now(UTC))
    say(f"registered {len(pilot.SITES)} sites with {len(pilot.NODES)} nodes")


def _live(
    stack: LocalStack,
    children: Children,
    credentials: Credentials,
    data_dir: Path,
    port: int,
    say: Say,
) -> None:
    since = datetime.now(UTC)
    _start_server(stack, children, credentials, port)
    _start_nodes(stack, children, credentials, data_dir)
    say("started ingester, worker, API and six simulated nodes; waiting for their first records")
    url = f"http://127.0.0.1:{port}"
    wait_until_ready(
        url,
        pilot.node_ids(),
        since=since,
        within_s=_READY_WITHIN_S,
        check=children.check,
        say=say,
    )
    typer.echo(f"ready: {url}")
    sys.stdout.flush()
    if os.environ.get(EXIT_VARIABLE) == "1":
        return
    say(f"Ctrl-C ends it; logs are in {data_dir / 'log'}")
    while True:
        children.check()
        time.sleep(_WATCH_S)


def _start_server(
    stack: LocalStack, children: Children, credentials: Credentials, port: int
) -> None:
    own = credentials.clients[_INGEST]
    environ = {
        "MSL_BROKER_PORT": str(stack.broker.port),
        "MSL_BROKER_CA_FILE": str(credentials.ca_file),
        "MSL_BROKER_CERT_FILE": str(own.certificate),
        "MSL_BROKER_KEY_FILE": str(own.key),
        "MSL_SERVE_PORT": str(port),
        "MSL_INGEST_METRICS_PORT": str(ports.free_port()),
        "MSL_WORK_METRICS_PORT": str(ports.free_port()),
        "MSL_SERVE_METRICS_PORT": str(ports.free_port()),
    }
    for command, role in zip(("ingest", "work", "serve"), _ROLES, strict=True):
        dsn = stack.postgres.dsn(user=role, dbname=_DATABASE)
        children.start(command, [_program("msl"), command], {**environ, "MSL_DATABASE_DSN": dsn})


def _start_nodes(
    stack: LocalStack, children: Children, credentials: Credentials, data_dir: Path
) -> None:
    nodes = data_dir / "nodes"
    nodes.mkdir(parents=True)
    file = nodes / "pilot.json"
    clients = credentials.clients
    pilot.write_simulation(
        file,
        broker_port=stack.broker.port,
        ca_file=credentials.ca_file,
        certificates={n: (clients[n].certificate, clients[n].key) for n in pilot.node_ids()},
    )
    argv = [_program("msl-node"), "simulate", str(file), "--folder", str(nodes)]
    children.start("simulate", argv, {})


def _program(name: str) -> str:
    """A command of ours, from the environment that this one runs in."""
    return str(Path(sys.executable).with_name(name))


def _page_port() -> int:
    """The usual one, unless somebody has it."""
    try:
        ports.require_free(_PAGE_PORT, for_what="the page")
    except StackError:
        return ports.free_port()
    return _PAGE_PORT


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
