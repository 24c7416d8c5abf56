"""A bad network between each pair: spooled = stored, each once, and everybody comes back."""

import psycopg.conninfo
import pytest

from tests.chaos.harness import Town
from tests.chaos.proxy import Proxy, bad_weather

pytestmark = [pytest.mark.db, pytest.mark.mqtt, pytest.mark.e2e, pytest.mark.timeout(240)]

SEEDS = (1, 2)
RECORDS = 1400
# The node makes records for ten seconds and more; fewer faults would be fair weather.
FAULTS_MIN = 4


@pytest.mark.parametrize("seed", SEEDS)
def test_between_node_and_broker(town: Town, seed: int) -> None:
    with Proxy(town.broker.port) as proxy:
        job = town.job(records=RECORDS, per_commit=8, pause_s=0.06, port=proxy.port)
        with town.ingester(), town.node(job) as node:
            faults = bad_weather(proxy, seed, lambda: node.running)
            assert len(faults) >= FAULTS_MIN
            assert node.wait(150) == 0
    assert town.assert_settled(job) >= 4 * RECORDS


@pytest.mark.parametrize("seed", SEEDS)
def test_between_broker_and_ingester(town: Town, seed: int) -> None:
    with Proxy(town.broker.port) as proxy:
        job = town.job(records=RECORDS, per_commit=8, pause_s=0.06)
        settings = {"MSL_BROKER_PORT": str(proxy.port)}
        with town.ingester(**settings) as ingester, town.node(job) as node:
            ingester.wait_connected()
            faults = bad_weather(proxy, seed, lambda: node.running)
            assert len(faults) >= FAULTS_MIN
            assert node.wait(150) == 0
            assert ingester.running
    assert town.assert_settled(job) >= 4 * RECORDS


@pytest.mark.parametrize("seed", SEEDS)
def test_between_ingester_and_database(town: Town, seed: int) -> None:
    dsn = psycopg.conninfo.conninfo_to_dict(town.database.dsn_as("msl_ingest"))
    with Proxy(int(str(dsn["port"]))) as proxy:
        through = psycopg.conninfo.make_conninfo(
            town.database.dsn_as("msl_ingest"), port=proxy.port
        )
        job = town.job(records=RECORDS, per_commit=8, pause_s=0.06)
        with town.ingester(MSL_DATABASE_DSN=through) as ingester, town.node(job) as node:
            ingester.wait_connected()
            faults = bad_weather(proxy, seed, lambda: node.running)
            assert len(faults) >= FAULTS_MIN
            assert node.wait(150) == 0
            assert ingester.running
    assert town.assert_settled(job) >= 4 * RECORDS
    assert town.rows("SELECT count(*) FROM dead_letter") == [(0,)]
