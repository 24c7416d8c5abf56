"""Every setting of the server's processes: name, default, unit, help, in one table.

Read from a TOML file (flat keys, `MSL_SETTINGS` or `--settings` names it) and over that from the
environment (`MSL_` and the name in capitals). Unknown names are refused. A secret is never a value
here: the setting is the path of the file that holds it. Built in a command's `main`, never on
import.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import Meta
from psycopg.conninfo import make_conninfo

from server.errors import MslError

PREFIX = "MSL_"
FILE_VARIABLE = "MSL_SETTINGS"
DEFAULT_FILE = Path("/etc/municipal-safety-lab/server.toml")
# Other programs of ours read these from the same environment.
_OTHERS = ("MSL_DEMO_", "MSL_NODE_", "MSL_TEST_", FILE_VARIABLE)


class SettingsError(MslError, ValueError):
    """A setting is unknown, of the wrong kind or out of bounds; the message names it."""


def _help(text: str, unit: str | None = None, **bounds: Any) -> Meta:
    return Meta(description=text, extra_json_schema={"x-unit": unit or ""}, **bounds)


_Port = Annotated[int, Meta(ge=1, le=65_535)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The values; `table()` lists what each one is."""

    # Database
    database_dsn: Annotated[
        str, _help("where PostgreSQL is and as which role, without the password")
    ] = "postgresql://msl_api@127.0.0.1/msl"
    database_password_file: Annotated[str | None, _help("file with that role's password")] = None

    # Broker
    broker_host: Annotated[str, _help("name or address of the MQTT broker")] = "127.0.0.1"
    broker_port: Annotated[_Port, _help("its TLS port")] = 8883
    broker_ca_file: Annotated[str | None, _help("certificate of the authority it trusts")] = None
    broker_cert_file: Annotated[str | None, _help("this process's own certificate")] = None
    broker_key_file: Annotated[str | None, _help("and its private key")] = None
    probe_cert_file: Annotated[
        str | None, _help("certificate that msl doctor logs in with (srv-probe)")
    ] = None
    probe_key_file: Annotated[str | None, _help("and its private key")] = None

    # Ingest
    ingest_batch_rows: Annotated[
        int, _help("rows that make a transaction full", "1", ge=1, le=50_000)
    ] = 2000
    ingest_linger_ms: Annotated[
        int, _help("how long a transaction waits for more rows", "ms", ge=0, le=5000)
    ] = 30
    ingest_receive_maximum: Annotated[
        int, _help("messages the broker may send ahead of acknowledgement", "1", ge=2, le=65_535)
    ] = 1000
    ingest_patience_s: Annotated[
        int,
        _help(
            "silence of the broker, or a statement of the database, after which the connection is"
            " made anew",
            "s",
            ge=2,
            le=600,
        ),
    ] = 60
    dead_letter_max_rows: Annotated[
        int,
        _help(
            "payloads the dead letter holds; what would add to them waits unacknowledged", "1", ge=1
        ),
    ] = 10_000

    # API and console
    serve_host: Annotated[str, _help("address that the API and the console listen on")] = (
        "127.0.0.1"
    )
    serve_port: Annotated[_Port, _help("and their port")] = 8000
    serve_write_token_file: Annotated[
        str | None, _help("file with the token that allows changes over HTTP; none: no changes")
    ] = None
    serve_metrics_port: Annotated[_Port, _help("port of the API's metrics, on metrics_host")] = 9103

    # Identity of nodes
    issuing_cert_file: Annotated[
        str | None, _help("authority that signs nodes' certificates; the worker's alone")
    ] = None
    issuing_key_file: Annotated[str | None, _help("and its private key")] = None
    crl_file: Annotated[
        str | None, _help("where the worker writes the list of revoked certificates")
    ] = None
    enrol_host: Annotated[str, _help("address on which nodes ask for certificates")] = "127.0.0.1"
    enrol_port: Annotated[_Port, _help("and its TLS port")] = 8444
    enrol_cert_file: Annotated[str | None, _help("server certificate of that port")] = None
    enrol_key_file: Annotated[str | None, _help("and its private key")] = None

    # Worker
    work_every_s: Annotated[
        float,
        _help("how often the worker looks for work when nobody wakes it", "s", gt=0, le=3600),
    ] = 30.0
    work_batch_hours: Annotated[
        int, _help("node-hours recomputed in one transaction, with all their marks", "1", ge=1)
    ] = 5000
    notify_file: Annotated[
        str | None, _help("whom to tell of lamps, nodes and streams (TOML); none: nobody")
    ] = None
    retention_light_days: Annotated[
        int, _help("how long raw light records are kept", "d", ge=2)
    ] = 400
    retention_noise_days: Annotated[
        int, _help("how long raw noise records are kept", "d", ge=2)
    ] = 400
    retention_footfall_days: Annotated[int, _help("how long raw counts are kept", "d", ge=2)] = 400
    retention_health_days: Annotated[
        int, _help("how long raw health records are kept", "d", ge=2)
    ] = 90
    retention_event_days: Annotated[int, _help("how long events are kept", "d", ge=2)] = 1825

    # Watching the processes
    data_dir: Annotated[
        str | None, _help("where the database lies on this machine, for msl doctor")
    ] = None
    metrics_host: Annotated[str, _help("address on which the processes show their metrics")] = (
        "127.0.0.1"
    )
    ingest_metrics_port: Annotated[_Port, _help("port of the ingester's metrics")] = 9101
    work_metrics_port: Annotated[_Port, _help("port of the worker's metrics")] = 9102

    def dsn(self) -> str:
        """Connection string with the password from its file.

        Raises:
            SettingsError: The file can't be read.
        """
        if self.database_password_file is None:
            return self.database_dsn
        return make_conninfo(
            self.database_dsn, password=read_secret("database_password_file", self)
        )


@dataclass(frozen=True)
class Row:
    """One setting, as documentation and `msl settings` show it."""

    name: str
    variable: str
    default: Any
    unit: str
    help: str


def table() -> list[Row]:
    """All settings, in the order of the class."""
    hints = get_type_hints(Settings, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(Settings):
        *_, meta = hints[field.name].__metadata__
        unit = (meta.extra_json_schema or {})["x-unit"]
        rows.append(
            Row(field.name, variable(field.name), field.default, unit, meta.description or "")
        )
    return rows


def variable(name: str) -> str:
    """Environment variable of the setting `name`."""
    return f"{PREFIX}{name.upper()}"


def load(file: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from defaults, then the TOML file, then the environment.

    Args:
        file: None means: what `MSL_SETTINGS` names, or the default file if it is there.

    Raises:
        SettingsError: A file can't be read, a name is unknown, or a value is not allowed.
    """
    env = os.environ if environ is None else environ
    values = {**_from_file(file, env), **_from_environment(env)}
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(_named(str(error))) from None


def read_secret(name: str, settings: Settings) -> str:
    """Content of the file that the setting `name` points at, without the final newline."""
    path = getattr(settings, name)
    if path is None:
        raise SettingsError(f"{name} is not set; set {variable(name)} to the secret's file")
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise SettingsError(f"{name}: {path} can't be read: {error.strerror}") from error


def _from_file(file: Path | None, env: Mapping[str, str]) -> dict[str, Any]:
    path = file or (Path(env[FILE_VARIABLE]) if FILE_VARIABLE in env else DEFAULT_FILE)
    if path == DEFAULT_FILE and not path.exists():
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"settings file {path} can't be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"settings file {path} is not TOML: {error}") from error
    _refuse_unknown(values, [row.name for row in table()], str(path))
    return values


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    names = {row.variable: row.name for row in table()}
    ours = {key: v for key, v in env.items() if key.startswith(PREFIX)}
    ours = {key: v for key, v in ours.items() if not key.startswith(_OTHERS)}
    _refuse_unknown(ours, list(names), "the environment")
    return {names[key]: v for key, v in ours.items()}


def _refuse_unknown(values: Mapping[str, Any], known: list[str], where: str) -> None:
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else "; see msl settings"
            raise SettingsError(f"unknown setting {key} in {where}{hint}")


def _named(message: str) -> str:
    """`Expected `int` >= 1 - at `$.serve_port`` with the setting's name in front."""
    reason, _, path = message.partition(" - at ")
    return f"{path.strip('`').removeprefix('$.')}: {reason}" if path else reason
