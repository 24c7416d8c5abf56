"""`docker-compose.yml` as docker-compose itself reads it, against what the code reads.

No engine is needed. Where docker-compose can't be had, these tests fail: they are never skipped.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from typer.core import TyperGroup

from provisioning.compose import broker_files
from provisioning.compose.config import compose_config
from provisioning.mosquitto.acl import INGEST, PROBE
from server import cli, settings
from server.db.migrate import BOOTSTRAP
from tests.provisioning.repository import ROOT

FILE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"
OURS = ["migrate", "ingest", "work", "api"]
ONE_SHOT = ["migrate"]
SERVICES = ["broker", "db", *OURS, "grafana"]
EACH = pytest.mark.parametrize("name", SERVICES)
EACH_OF_OURS = pytest.mark.parametrize("name", OURS)
SECRETS = "/run/secrets/"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file with everything merged and interpolated."""
    done = compose_config(FILE, "--format=json", env_file=EXAMPLE)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    assert isinstance(loaded, dict)
    return loaded


def secrets_of(service: dict[str, Any]) -> set[str]:
    return {secret["source"] for secret in service.get("secrets", [])}


def secrets_named_in(value: Any) -> set[str]:
    """Every secret whose path stands somewhere in `value`."""
    return set(re.findall(re.escape(SECRETS) + r"(\w+)", json.dumps(value)))


def test_services_are_the_designs(compose: dict[str, Any]) -> None:
    assert sorted(compose["services"]) == sorted(SERVICES)


def test_file_fits_the_compose_specification() -> None:
    program = Path(sys.executable).parent / "check-jsonschema"
    words = [str(program), "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("missing", ["SECRETS_DIR", "GRAFANA_ROOT_URL"])
def test_what_must_be_told_is_asked_for_by_its_purpose(missing: str, tmp_path: Path) -> None:
    kept = [line for line in EXAMPLE.read_text().splitlines() if not line.startswith(missing)]
    # Below the compose file's folder, the only one that docker-compose sees here.
    (tmp_path / "env").write_text("\n".join(kept))
    (tmp_path / FILE.name).write_text(FILE.read_text())
    done = compose_config(tmp_path / FILE.name, env_file=tmp_path / "env")
    assert done.returncode != 0
    purpose = {"SECRETS_DIR": "folder with passwords", "GRAFANA_ROOT_URL": "address under which"}
    assert f"required variable {missing} is missing a value: {purpose[missing]}" in done.stderr


def test_mistake_in_the_file_is_found(tmp_path: Path) -> None:
    (tmp_path / FILE.name).write_text("services: {x: {image: a:1, read_onyl: true}}\n")
    done = compose_config(tmp_path / FILE.name)
    assert done.returncode != 0
    assert "read_onyl" in done.stderr


@EACH
def test_image_has_an_exact_tag(compose: dict[str, Any], name: str) -> None:
    assert re.search(r":\d+\.\d+\.\d+(-[a-z0-9]+)?$", compose["services"][name]["image"])


def test_base_images_have_an_exact_tag() -> None:
    found = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", image) for image in found)


@EACH
def test_service_has_no_rights_to_lose(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert not service["user"].startswith(("0", "root"))
    assert int(service["mem_limit"]) > 0
    assert service["pids_limit"] > 0


@EACH
def test_service_says_how_it_is(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    if name in ONE_SHOT:
        assert service["restart"] == "no"
    else:
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"


def test_only_the_broker_is_open_to_the_outside(compose: dict[str, Any]) -> None:
    published = {
        (name, port["host_ip"], port["published"], port["target"])
        for name, service in compose["services"].items()
        for port in service.get("ports", [])
    }
    assert published == {
        ("broker", "0.0.0.0", "8883", broker_files.PORT),
        ("api", "127.0.0.1", "8000", settings.Settings().serve_port),
        ("grafana", "127.0.0.1", "3000", 3000),
    }


def test_database_is_on_an_internal_network_alone(compose: dict[str, Any]) -> None:
    assert list(compose["services"]["db"]["networks"]) == ["data"]
    assert compose["networks"]["data"]["internal"] is True
    assert compose["networks"]["messages"]["internal"] is True


def test_broker_and_database_never_meet(compose: dict[str, Any]) -> None:
    networks = {name: set(found["networks"]) for name, found in compose["services"].items()}
    assert not networks["broker"] & networks["db"]
    assert networks["ingest"] == {"messages", "data"}
    assert "messages" not in networks["grafana"] | networks["api"] | networks["work"]


@EACH_OF_OURS
def test_command_is_one_of_ours(compose: dict[str, Any], name: str) -> None:
    (command,) = compose["services"][name]["command"]
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    with group.make_context("msl", [], resilient_parsing=True) as context:
        assert group.get_command(context, command) is not None


@EACH_OF_OURS
def test_environment_is_what_the_settings_know(compose: dict[str, Any], name: str) -> None:
    environment = compose["services"][name]["environment"]
    assert set(environment) <= {row.variable for row in settings.table()}
    settings.load(environ=environment)


@EACH_OF_OURS
def test_process_has_the_secrets_that_it_reads_and_no_other(
    compose: dict[str, Any], name: str
) -> None:
    service = compose["services"][name]
    files = {
        row.variable: service["environment"][row.variable]
        for row in settings.table()
        if row.name.endswith("_file") and row.variable in service["environment"]
    }
    assert all(path.startswith(SECRETS) for path in files.values())
    assert {path.removeprefix(SECRETS) for path in files.values()} == secrets_of(service)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("migrate", "postgres"),
        ("ingest", "msl_ingest"),
        ("work", "msl_worker"),
        ("api", "msl_api"),
    ],
)
def test_process_logs_in_as_its_own_role(compose: dict[str, Any], name: str, role: str) -> None:
    values = settings.load(environ=compose["services"][name]["environment"])
    assert values.database_dsn == f"postgresql://{role}@db/msl"
    password = "postgres_password" if role == "postgres" else f"{role}_password"
    assert values.database_password_file == SECRETS + password
    assert role == "postgres" or f"'{role}'" in BOOTSTRAP.read_text()


def test_ingester_has_all_that_its_broker_connection_needs(compose: dict[str, Any]) -> None:
    values = settings.load(environ=compose["services"]["ingest"]["environment"])
    assert values.broker_host == "broker"
    assert values.broker_port == broker_files.PORT
    for path in (values.broker_ca_file, values.broker_cert_file, values.broker_key_file):
        assert path is not None


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("ingest", f"http://127.0.0.1:{settings.Settings().ingest_metrics_port}/metrics"),
        ("work", f"http://127.0.0.1:{settings.Settings().work_metrics_port}/metrics"),
        ("api", f"http://127.0.0.1:{settings.Settings().serve_port}/healthz"),
    ],
)
def test_health_check_asks_where_the_process_answers(
    compose: dict[str, Any], name: str, address: str
) -> None:
    service = compose["services"][name]
    assert f"'{address}'" in " ".join(service["healthcheck"]["test"])
    assert settings.load(environ=service["environment"]).metrics_host == "127.0.0.1"


def test_broker_runs_on_what_the_contract_generates() -> None:
    for name, text in broker_files.files().items():
        committed = (broker_files.FOLDER / name).read_text(encoding="utf-8")
        assert committed == text, "out of date; run `python -m provisioning.compose.broker_files`"


def test_broker_has_the_secrets_and_files_that_its_configuration_names(
    compose: dict[str, Any],
) -> None:
    service = compose["services"]["broker"]
    text = broker_files.files()["mosquitto.conf"]
    assert secrets_named_in(text) | secrets_named_in(service["healthcheck"]) == secrets_of(service)
    targets = {config["target"] for config in service["configs"]}
    assert targets == {"/mosquitto/config/mosquitto.conf", "/mosquitto/config/acl"}
    assert "acl_file /mosquitto/config/acl" in text.splitlines()
    (volume,) = service["volumes"]
    assert f"persistence_location {volume['target']}/" in text.splitlines()


def test_access_list_knows_the_two_certificates(compose: dict[str, Any]) -> None:
    acl = broker_files.files()["acl"]
    assert f"user {INGEST}\n" in acl
    assert f"user {PROBE}\ntopic read $SYS/broker/#" in acl
    # Compose writes `$$` for one `$` wherever it could be read as a variable.
    assert "$$SYS/broker/uptime" in compose["services"]["broker"]["healthcheck"]["test"]


def test_grafana_has_the_secrets_that_it_reads(compose: dict[str, Any]) -> None:
    service = compose["services"]["grafana"]
    provisioned = (ROOT / "provisioning/grafana/datasources/timescale.yaml").read_text()
    named = secrets_named_in(service["environment"]) | secrets_named_in(provisioned)
    assert named == secrets_of(service)


def test_grafana_asks_the_database_as_its_own_role(compose: dict[str, Any]) -> None:
    path = ROOT / "provisioning/grafana/datasources/timescale.yaml"
    (source,) = yaml.safe_load(path.read_text())["datasources"]
    assert source["url"] == "db:5432"
    assert source["user"] == "msl_grafana"
    assert source["jsonData"]["database"] == compose["services"]["db"]["environment"]["POSTGRES_DB"]
    assert source["jsonData"]["timescaledb"] is True


def test_grafana_finds_its_dashboards_where_they_are_mounted(compose: dict[str, Any]) -> None:
    path = ROOT / "provisioning/grafana/dashboards/provider.yaml"
    (provider,) = yaml.safe_load(path.read_text())["providers"]
    mounts = {volume["target"]: volume for volume in compose["services"]["grafana"]["volumes"]}
    dashboards = mounts[provider["options"]["path"]]
    assert Path(dashboards["source"]) == ROOT / "dashboards/generated"
    assert dashboards["read_only"] is True
    assert Path(mounts["/etc/grafana/provisioning"]["source"]) == ROOT / "provisioning/grafana"


def test_database_gets_a_password_for_every_role_that_logs_in(compose: dict[str, Any]) -> None:
    sql = (ROOT / "provisioning/compose/roles.sql").read_text()
    roles = set(re.findall(r"CREATE ROLE (\w+) LOGIN PASSWORD", sql))
    assert roles == {"msl_ingest", "msl_worker", "msl_api", "msl_grafana"}
    service = compose["services"]["db"]
    read = secrets_named_in(sql) | secrets_named_in(service["environment"])
    assert read == secrets_of(service)


def test_secrets_are_files_outside_of_git(compose: dict[str, Any]) -> None:
    files = {Path(secret["file"]) for secret in compose["secrets"].values()}
    assert {path.parent for path in files} == {ROOT / "secrets"}
    for path in files:
        done = subprocess.run(["git", "check-ignore", "-q", str(path)], cwd=ROOT, check=False)
        assert done.returncode == 0, f"{path.name} is not ignored by git"


def test_every_secret_is_used_and_explained(compose: dict[str, Any]) -> None:
    used = set().union(*(secrets_of(service) for service in compose["services"].values()))
    assert used == set(compose["secrets"])
    page = (ROOT / "docs/deploy.md").read_text()
    for secret in compose["secrets"].values():
        assert f"`{Path(secret['file']).name}`" in page


def test_every_variable_is_in_the_example() -> None:
    asked = set(re.findall(r"\$\{(\w+)", FILE.read_text()))
    given = set(re.findall(r"^(\w+)=", EXAMPLE.read_text(), re.MULTILINE))
    assert asked == given


def test_image_is_built_from_what_the_ignore_file_lets_in() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    sources = {word for line in copied for word in line.split()[:-1]}
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignore
    assert {line[1:] for line in ignore if line.startswith("!")} == sources
    assert all((ROOT / source).exists() for source in sources)
