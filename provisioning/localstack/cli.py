"""The local stack by command: up, build, doctor, compose-config."""

import json
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from provisioning.compose import config
from provisioning.localstack import packages, private_root, sandbox
from provisioning.localstack.broker import BrokerTls
from provisioning.localstack.errors import StackError
from provisioning.localstack.packages import Packages
from provisioning.localstack.progress import to_stderr
from provisioning.localstack.stack import LocalStack

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help=(
        "PostgreSQL 17 with TimescaleDB and Mosquitto on this machine, without Docker.\n\n"
        "Example: python -m provisioning.localstack up --data .local/stack"
    ),
)


@app.command()
def up(
    data: Annotated[Path, typer.Option(help="Folder for data, logs and passwords; kept.")] = Path(
        ".local/stack"
    ),
    postgres_port: Annotated[int | None, typer.Option(help="Default: a free one.")] = None,
    broker_port: Annotated[int | None, typer.Option(help="Default: a free one.")] = None,
    ca: Annotated[Path | None, typer.Option(help="Whom the broker trusts (PEM).")] = None,
    cert: Annotated[Path | None, typer.Option(help="The broker's certificate (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(help="The broker's private key (PEM).")] = None,
) -> None:
    """Start the servers, print DSN and ports, and stay in front until Ctrl-C.

    Without --ca, --cert and --key there is no broker: it takes client certificates only.

    Example: python -m provisioning.localstack up --ca ca.pem --cert broker.pem --key broker.key
    """
    given = [path for path in (ca, cert, key) if path is not None]
    if len(given) not in (0, 3):
        raise typer.BadParameter("--ca, --cert and --key go together")
    tls = BrokerTls(ca_file=given[0], cert_file=given[1], key_file=given[2]) if given else None
    with LocalStack(
        data, tls=tls, persistent=True, postgres_port=postgres_port, broker_port=broker_port
    ) as stack:
        ended = _until_told_to_end()
        print(f"postgres: {stack.postgres.dsn()}", flush=True)
        if tls is not None:
            print(f"mqtts: 127.0.0.1:{stack.broker.port}", flush=True)
        to_stderr("running; Ctrl-C ends it")
        ended.wait()
        to_stderr("stopping ...")


@app.command()
def build() -> None:
    """Build the private root now, so that the first start doesn't have to.

    Example: python -m provisioning.localstack build
    """
    print(private_root.ensure(to_stderr))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For a machine to read.")] = False,
) -> None:
    """Say which packages and which sandbox a start would use; exit 1 when it couldn't start.

    Builds and installs nothing. Example: python -m provisioning.localstack doctor --json
    """
    found = {"host packages": _host(), "private root": _private(), "sandbox": _sandbox()}
    if as_json:
        print(json.dumps({name: {"ok": ok, "says": says} for name, (ok, says) in found.items()}))
    else:
        for name, (ok, says) in found.items():
            print(f"{'ok ' if ok else '-  '} {name}: {says}")
    if not found["sandbox"][0]:
        raise typer.Exit(1)


@app.command()
def compose_config(
    file: Annotated[Path, typer.Argument(help="The compose file.")] = Path("docker-compose.yml"),
    env_file: Annotated[
        Path | None, typer.Option(help="What to interpolate; default: .env beside the file.")
    ] = None,
) -> None:
    """Check a compose file with docker-compose's own `config`; no engine is needed.

    Example: python -m provisioning.localstack compose-config --env-file .env.example
    """
    done = config.compose_config(file, env_file=env_file)
    print(done.stdout, end="")
    print(done.stderr, end="", file=sys.stderr)
    raise typer.Exit(done.returncode)


def _host() -> tuple[bool, str]:
    found = packages.host_packages()
    if isinstance(found, Packages):
        return True, f"{found.postgres_bin}, {found.mosquitto}; used as they are"
    return False, f"{found}; a private root is used instead"


def _private() -> tuple[bool, str]:
    root = private_root.root_path()
    if private_root.is_whole(root):
        return True, str(root)
    return False, f"not built yet; it would be {root}"


def _sandbox() -> tuple[bool, str]:
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return False, "bwrap not found on PATH; try: sudo apt-get install bubblewrap"
    try:
        mapped = sandbox.has_user_namespaces(bwrap)
    except StackError as error:
        return False, str(error)
    return True, "user namespaces" if mapped else "root's own rights"


def _until_told_to_end() -> threading.Event:
    """An event that Ctrl-C and SIGTERM set, so that the stack is left in order."""
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        # A second one, while we stop, ends at once; the servers die with us anyway.
        for sig in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sig, signal.SIG_DFL)
        ended.set()

    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, end)
    return ended


def main(run: Callable[[], None] = app) -> None:
    """Entry point: an error of the stack is one line on standard error and exit status 1."""
    try:
        run()
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
