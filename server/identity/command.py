"""`msl ca` makes a lab's authority, `msl enrol` serves nodes that ask for a certificate."""

from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from server.errors import MslError
from server.identity import ca as authority_of
from server.identity.authority import AuthorityFiles, create_authority, renew_issuing
from server.identity.ca import IdentityError
from server.identity.listener import create_node_app, server_config
from server.settings import Settings, load, variable

ca = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help='The lab\'s certificate authority. Example: msl ca init --folder ca --name "City of X"',
)
enrol = typer.Typer(add_completion=False)

Folder = Annotated[Path, typer.Option(help="Where the authority lies.")]
PassphraseFile = Annotated[
    Path, typer.Option(help="File with the root key's passphrase, 12 characters at least.")
]


@ca.command("init")
def init(
    name: Annotated[str, typer.Option(help="Whose it is, as certificates say.")],
    passphrase_file: PassphraseFile,
    folder: Folder = Path("ca"),
) -> None:
    """Make a root and an issuing authority, once.

    Example: msl ca init --folder ca --name "City of X" --passphrase-file root.pass
    """
    files = create_authority(folder, name, _passphrase(passphrase_file))
    typer.echo(f"made {files.root.certificate} and {files.issuing.certificate}")
    typer.echo(
        f"now: take {files.root.key} and its passphrase away from this machine, to two custodians;"
        f" {files.issuing.key} is the worker's alone"
    )


@ca.command("renew-issuing")
def renew(
    name: Annotated[str, typer.Option(help="Whose it is, as certificates say.")],
    passphrase_file: PassphraseFile,
    folder: Folder = Path("ca"),
) -> None:
    """Make a new issuing authority by the same root; nodes notice nothing.

    Example: msl ca renew-issuing --folder ca --name "City of X" --passphrase-file root.pass
    """
    issuing = renew_issuing(AuthorityFiles(folder), name, _passphrase(passphrase_file))
    ends = issuing.certificate.not_valid_after_utc
    typer.echo(f"{issuing.common_name} is good until {ends:%Y-%m-%d}; restart msl work")


@ca.command("server")
def server(
    common_name: str,
    hosts: Annotated[list[str], typer.Option("--host", help="A name or address; repeatable.")],
    folder: Folder = Path("ca"),
    out: Annotated[Path, typer.Option(help="Where its certificate and key go.")] = Path(),
) -> None:
    """A certificate for a server: the broker, the port of enrolment.

    Example: msl ca server broker --host broker.city.example --host broker --out secrets
    """
    issuing = authority_of.load(AuthorityFiles(folder).issuing)
    issued = authority_of.issue_server(issuing, common_name, hosts=hosts)
    _save(issued, issuing, out)


@ca.command("process")
def process(
    name: str,
    folder: Folder = Path("ca"),
    out: Annotated[Path, typer.Option(help="Where its certificate and key go.")] = Path(),
) -> None:
    """A certificate for a server process. Example: msl ca process srv-ingest --out secrets"""
    issuing = authority_of.load(AuthorityFiles(folder).issuing)
    _save(authority_of.issue_process(issuing, name), issuing, out)


@enrol.command()
def run(
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
) -> None:
    """Serve nodes that ask for a certificate, over TLS, in front until Ctrl-C.

    Example: msl enrol --settings server.toml
    """
    values = load(settings)
    roots = _file(values, "broker_ca_file")
    app = create_node_app(values.dsn(), roots.read_text())
    config = server_config(
        app,
        values.enrol_host,
        values.enrol_port,
        cert_file=_file(values, "enrol_cert_file"),
        key_file=_file(values, "enrol_key_file"),
        ca_file=roots,
    )
    typer.echo(f"msl enrol: https://{values.enrol_host}:{values.enrol_port}")
    uvicorn.Server(config).run()


def _save(issued: authority_of.Credential, issuing: authority_of.Credential, out: Path) -> None:
    files = issued.save(out)
    # Whoever connects needs the chain up to the root, which it knows.
    files.certificate.write_bytes(issued.certificate_pem() + issuing.certificate_pem())
    typer.echo(f"wrote {files.certificate} and {files.key}")


def _passphrase(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        raise IdentityError(f"passphrase {file} can't be read: {error.strerror}") from error


def _file(values: Settings, name: str) -> Path:
    given = getattr(values, name)
    if given is None or not Path(given).is_file():
        raise MslError(f"msl enrol needs {name}, a file; it is {given}; set {variable(name)}")
    return Path(given)
