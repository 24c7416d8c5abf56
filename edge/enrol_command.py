"""`msl-node enrol`: get this node's certificate by its token, or renew the one it has."""

import json
from pathlib import Path
from typing import Annotated

import typer

from edge.cli import ConfigOption, SetOption, log_to_stderr
from edge.enrol import RENEW_BEFORE, Enrolment, IdentityFiles
from edge.errors import SettingsError
from edge.settings import Settings, load

WAIT_S = 3600.0


def enrol(
    config: ConfigOption = None,
    overrides: SetOption = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token; wiped once the certificate is here.")
    ] = None,
    wait_s: Annotated[
        float, typer.Option(min=0, help="How long to wait for approval, in s.")
    ] = WAIT_S,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Get this node's certificate with the token of `msl node invite`, or renew it when it is due.

    With a certificate good for more than 30 days it does nothing, so a timer may call it daily.

    Example: msl-node enrol --config node.toml --token-file token

    Example: msl-node enrol --config node.toml
    """
    log_to_stderr(verbose=False)
    settings = load(config, overrides or ())
    enrolment = Enrolment(
        settings.text("node_id"), settings.text("enrol.url"), identity_files(settings)
    )
    did = _do(enrolment, token_file, wait_s)
    days = enrolment.days_left() or 0
    if as_json:
        typer.echo(json.dumps({"did": did, "days_left": round(days, 1)}))
    else:
        typer.echo(f"{did}; the certificate is good for {days:.0f} days")


def identity_files(settings: Settings) -> IdentityFiles:
    """The broker's files, which are this node's identity; raises `SettingsError` without them."""
    names = ("broker.key_file", "broker.cert_file", "broker.ca_file")
    key, certificate, roots = (settings.path(name) for name in names)
    if key is None or certificate is None or roots is None:
        raise SettingsError(f"enrolment needs {', '.join(names)}: where they will lie")
    return IdentityFiles(key=key, certificate=certificate, roots=roots)


def _do(enrolment: Enrolment, token_file: Path | None, wait_s: float) -> str:
    left = enrolment.days_left()
    if left is not None and left > RENEW_BEFORE.days:
        return "nothing to do"
    if left is not None and left > 0:
        enrolment.renew(wait_s)
        return "renewed"
    if token_file is None:
        raise SettingsError(
            "there is no certificate to renew; give --token-file with the token of msl node invite"
        )
    enrolment.first(_token(token_file), wait_s)
    token_file.unlink()
    return "enrolled"


def _token(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        raise SettingsError(f"token {file} can't be read: {error.strerror}") from error
