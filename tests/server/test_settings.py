"""Settings: one table, unknown names refused, secrets by file."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli import app
from server.settings import Row, Settings, SettingsError, load, table


def test_defaults_hold_without_file_and_environment() -> None:
    assert load(environ={}) == Settings()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text("serve_port = 8001\nserve_host = '0.0.0.0'\n")
    settings = load(file, {"MSL_SERVE_PORT": "8002"})
    assert (settings.serve_port, settings.serve_host) == (8002, "0.0.0.0")


def test_the_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text("work_every_s = 2.5\n")
    assert load(environ={"MSL_SETTINGS": str(file)}).work_every_s == 2.5


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"MSL_SERVE_PROT": "1"},
            "unknown setting MSL_SERVE_PROT in the environment; did you mean MSL_SERVE_PORT",
        ),
        ({"MSL_SERVE_PORT": "0"}, "serve_port: Expected `int` >= 1"),
        ({"MSL_SERVE_PORT": "web"}, "serve_port: Expected `int`"),
        ({"MSL_RETENTION_LIGHT_DAYS": "1"}, "retention_light_days: Expected `int` >= 2"),
        ({"MSL_SETTINGS": "nowhere.toml"}, r"settings file nowhere\.toml can't be read: No such"),
    ],
)
def test_a_bad_setting_is_named(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(environ=environ)


def test_an_unknown_key_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text("[database]\ndsn = 'x'\n")
    with pytest.raises(SettingsError, match=r"unknown setting database in .*server\.toml"):
        load(file, {})


def test_the_nodes_and_the_demos_variables_are_not_ours() -> None:
    assert load(environ={"MSL_DEMO_EXIT": "1", "MSL_NODE_ID": "lamp-01"}) == Settings()


def test_the_password_comes_from_its_file(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("s p'cret\n")
    settings = load(environ={"MSL_DATABASE_PASSWORD_FILE": str(secret)})
    assert r"password='s p\'cret'" in settings.dsn()
    assert "cret" not in repr(settings)


def test_a_missing_password_file_is_named() -> None:
    settings = Settings(database_password_file="/nowhere/password")
    with pytest.raises(
        SettingsError, match="database_password_file: /nowhere/password can't be read"
    ):
        settings.dsn()


@pytest.mark.parametrize("row", table(), ids=lambda row: row.name)
def test_every_setting_has_help_and_its_unit_in_its_name(row: Row) -> None:
    assert row.help
    if row.unit in {"s", "ms"}:
        assert row.name.endswith(f"_{row.unit}")
    if row.unit == "d":
        assert row.name.endswith("_days")


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_a_password_in_the_connection_string_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.setenv("MSL_DATABASE_DSN", "postgresql://msl_api:hush%40@127.0.0.1/msl")
    shown = CliRunner().invoke(app, ["settings", *options])
    assert shown.exit_code == 0
    assert "hush" not in shown.output
    assert "user=msl_api password=***" in shown.output
