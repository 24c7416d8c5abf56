"""A site with a node that measured for three days: gaps, flags, a calibration, an exclusion."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from contract.flags import Flag
from contract.streams import Stream
from provisioning.localstack import LocalStack, Postgres
from server.cli import app
from tests.server.api.pilot import Pilot

FIRST = datetime(2026, 6, 1, tzinfo=UTC)
NODE, SITE = "lamp-01", "plaza"
STEP = timedelta(minutes=15)
Msl = Callable[..., Result]


@dataclass(frozen=True)
class Measured:
    """A database with three days in it; made once, so tests that change it put it back."""

    conn: psycopg.Connection[Any]
    dsn_api: str


@pytest.fixture(scope="session")
def _filled(migrated_template: str, stack: LocalStack) -> str:
    name = "export_tests"
    stack.postgres.create_database(name, template=migrated_template)
    with psycopg.connect(stack.postgres.dsn(dbname=name)) as conn:
        fill(Pilot(conn))
    return name


@pytest.fixture
def three_days(_filled: str, postgres: Postgres) -> Iterator[Measured]:
    """288 quarter hours less a gap of two hours; calibrated from the second day on."""
    with psycopg.connect(postgres.dsn(dbname=_filled), autocommit=True) as conn:
        yield Measured(conn, postgres.dsn(user="msl_api", dbname=_filled))


def fill(pilot: Pilot) -> None:
    pilot.site(SITE)
    pilot.node(NODE, SITE, age=timedelta(days=4000))
    pilot.conn.execute(
        "INSERT INTO origin (node_id, spool, boot, rev, sens_db)"
        " VALUES (%s, 'abcdefgh', repeat('0', 32), '0.1.0', 120)",
        [NODE],
    )
    for i in range(288):
        t = FIRST + i * STEP
        if 40 <= i < 48:
            continue
        blind = i % 10 == 0
        lux: dict[str, Any] = {} if blind else {"lux_p50": 1.1 * i, "lux_max": 2.2 * i}
        flags = (Flag.SIMULATED, Flag.NEAR_FLOOR) if i % 7 == 0 else ()
        valid_s = 0.0 if blind else 900.0
        pilot.record(NODE, Stream.LIGHT, t, dur_s=900.0, valid_s=valid_s, flags=flags, **lux)
        pilot.record(NODE, Stream.NOISE, t, dur_s=900.0, laeq=40 + i % 30)
        counts = (None, None) if blind else (i, 2)
        pilot.record(
            NODE, Stream.FOOTFALL, t, valid_s=valid_s, lines={"gate": counts, "path": (1, 0)}
        )
        pilot.record(NODE, Stream.HEALTH, t, dur_s=900.0)
    pilot.calibrate(NODE, "light", FIRST + timedelta(days=1), gain=2.0, offset=0.5)
    pilot.conn.execute(
        "INSERT INTO exclusion (node_id, stream, from_t, to_t, reason)"
        " VALUES (%s, 'noise', %s, %s, 'works')",
        [NODE, FIRST, FIRST + timedelta(hours=1)],
    )


@pytest.fixture
def msl(three_days: Measured, monkeypatch: pytest.MonkeyPatch) -> Msl:
    """`msl export` with what follows, as the role that reads."""
    monkeypatch.setenv("MSL_DATABASE_DSN", three_days.dsn_api)

    def run(stream: str, out: Path, *args: str) -> Result:
        given = ["--from", "2026-06-01Z", "--to", "2026-06-04Z", "--out", str(out), *args]
        return CliRunner().invoke(app, ["export", stream, *given])

    return run
