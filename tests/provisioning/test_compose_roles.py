"""`roles.sql` with the real psql: what compose's database runs when it is made."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.provisioning.repository import ROOT

pytestmark = pytest.mark.db

ROLES = ["msl_ingest", "msl_worker", "msl_api", "msl_grafana"]


@pytest.fixture
def secrets(postgres: Any) -> Path:
    """Password files, in the one folder that psql sees here."""
    folder: Path = postgres.folder
    for role in ROLES:
        (folder / f"{role}_password").write_text(f"of-{role}\n")
    return folder


def test_each_role_gets_the_password_of_its_file(postgres: Any, secrets: Path) -> None:
    sql = (ROOT / "provisioning/compose/roles.sql").read_text()
    # The test's cluster has these roles already, and other tests need their passwords: under
    # other names, and dropped again.
    for role in ROLES:
        sql = sql.replace(f"CREATE ROLE {role} ", f"CREATE ROLE compose_{role} ")
    script = secrets / "roles.sql"
    script.write_text(sql.replace("/run/secrets", str(secrets)))
    postgres.run("psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--file={script}", "postgres")
    try:
        for role in ROLES:
            host = {"host": "127.0.0.1", "port": postgres.port, "dbname": "postgres"}
            with psycopg.connect(user=f"compose_{role}", password=f"of-{role}", **host) as conn:
                assert conn.execute("SELECT current_user").fetchone() == (f"compose_{role}",)
    finally:
        with psycopg.connect(postgres.dsn(), autocommit=True) as conn:
            for role in ROLES:
                conn.execute(f"DROP ROLE compose_{role}")
