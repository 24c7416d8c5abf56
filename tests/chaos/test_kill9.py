"""Kill -9 of everything, one after the other, in the middle of a run: spooled = stored.

Real processes: `msl ingest`, Mosquitto without persistence, PostgreSQL, and a node that is the real
spool and uplink. Where a kill falls is drawn from a fixed seed.
"""

import random
import sqlite3
import time

import pytest

from contract.batch import BatchRange
from contract.streams import Stream
from tests.chaos.harness import Killable, Town, wait_for
from tests.chaos.node_process import MAKING, Job
from tests.server.ingest.mqtt_node import MqttNode
from tests.server.ingest.testlab import Wire

pytestmark = [pytest.mark.db, pytest.mark.mqtt, pytest.mark.e2e]

SEED = 20_260_901
# Down for long enough that every party notices.
DOWN_S = (0.2, 1.0)
RECORDS = "msl_ingest_records_total"
WAITING = """SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'msl ingest' AND wait_event_type = 'Lock'"""


def revive(rng: random.Random, victim: Killable, times: int = 2) -> None:
    """Kill and start again, a few times."""
    for _ in range(times):
        victim.kill()
        time.sleep(rng.uniform(*DOWN_S))
        victim.start()
        time.sleep(rng.uniform(0.3, 0.9))


def test_kill_of_each_process_in_mid_run_loses_and_doubles_nothing(town: Town) -> None:
    rng = random.Random(SEED)
    job = town.job(records=1400, per_commit=8, pause_s=0.06)
    with town.ingester() as ingester, town.node(job) as node:
        town.wait_spooled(job, 0.15)
        revive(rng, ingester)
        town.wait_spooled(job, 0.35)
        revive(rng, town.broker)
        town.wait_spooled(job, 0.55)
        revive(rng, town.database.postgres, times=1)
        town.wait_spooled(job, 0.75)
        revive(rng, node)
        assert node.wait(60) == 0
        assert ingester.running

    assert town.assert_settled(job) >= 5 * 1000
    assert town.rows("SELECT count(*) FROM dead_letter") == [(0,)]


def test_an_ingester_killed_within_its_transaction_leaves_nothing_half_done(
    town: Town, wire: Wire
) -> None:
    with town.ingester() as ingester, connected(town) as node, town.sql() as locker:
        ingester.wait_connected()
        node.publish(wire.lights(1))
        assert node.ack_of(1).seq == 1
        with locker.transaction():
            locker.execute("SELECT FROM ledger FOR UPDATE")
            node.publish(wire.lights(2, 3))
            wait_for(lambda: town.rows(WAITING) == [(1,)])
            ingester.kill()
        assert town.rows("SELECT count(*) FROM light_raw") == [(1,)]
        ingester.start()
        ingester.wait_connected()
        assert node.ack_of(3).seq == 3
    assert town.rows("SELECT seq FROM light_raw ORDER BY 1") == [(1,), (2,), (3,)]


def test_the_broker_loses_its_queue_while_the_ingester_is_down(town: Town) -> None:
    job = town.job(records=200, per_commit=20, pause_s=0.05)
    with town.ingester() as ingester, town.node(job) as node:
        town.wait_spooled(job, 0.3)
        ingester.kill()
        town.wait_spooled(job, 0.7)
        # What is queued for the ingester has a PUBACK, and is gone.
        town.broker.kill()
        town.broker.start()
        ingester.start()
        assert node.wait(40) == 0
    assert town.assert_settled(job) >= 800


def test_lost_acks_cost_a_resend_that_is_all_duplicates(town: Town) -> None:
    job = town.job(records=100, per_commit=50, deaf=12)
    with town.ingester() as ingester, town.node(job) as node:
        assert node.wait(30) == 0
        assert ingester.metric(f'{RECORDS}{{outcome="duplicate",stream="light"}}') > 0
    assert town.assert_settled(job) >= 400


def test_an_all_duplicate_batch_is_acknowledged(town: Town, wire: Wire) -> None:
    with town.ingester() as ingester, connected(town) as node:
        ingester.wait_connected()
        node.publish(wire.lights(1, 2, 3))
        assert node.ack_of(3).seq == 3
        node.publish(wire.lights(1, 2, 3))
        assert node.ack().seq == 3
    assert town.rows("SELECT count(*) FROM light_raw") == [(3,)]


def test_an_undecodable_batch_is_accounted_for(town: Town, wire: Wire) -> None:
    with town.ingester() as ingester, connected(town) as node:
        ingester.wait_connected()
        node.publish(wire.lights(1, 2))
        assert node.ack_of(2).seq == 2
        properties = BatchRange("aaaaaaaa", 3, 5, 1).as_user_properties()
        node.publish(wire.raw(b"\xff\x00", properties=properties), wire.raw(b"nobody knows"))
        assert node.ack_of(5).seq == 5
        node.publish(wire.lights(6))
        assert node.ack_of(6).seq == 6
    assert town.rows("SELECT first_seq, last_seq FROM dead_letter ORDER BY 1") == [
        (3, 5),
        (None, None),
    ]


def test_a_replaced_spool_begins_a_new_line(town: Town) -> None:
    first = town.job(records=50)
    second = town.job(records=30, spool=str(town.folder / "new.db"))
    with town.ingester():
        for job in (first, second):
            with town.node(job) as node:
                assert node.wait(20) == 0
    assert town.assert_settled(first) >= 200
    assert town.assert_settled(second) >= 120
    assert town.spool_id(first) != town.spool_id(second)


def test_a_database_restored_from_an_older_backup_declares_what_it_misses(town: Town) -> None:
    postgres, name = town.database.postgres, town.database.name
    with town.ingester() as ingester:
        ran_to(town, 50)
        backup = postgres.dump(name)
        ran_to(town, 80)
        before = {stream: town.spooled(town.job())[stream] for stream in Stream}
        assert ingester.terminate() == 0
        postgres.restore(backup, name)
        ingester.start()
        job = ran_to(town, 120)

    lost = {stream: set(range(51, 81)) for stream in MAKING}
    # One event a start: the second run's is what the backup hasn't got.
    lost[Stream.EVENT] = {before[Stream.EVENT]}
    town.assert_settled(job, lost)
    assert town.rows("SELECT DISTINCT cause FROM loss") == [("below_low",)]


def ran_to(town: Town, records: int) -> Job:
    job = town.job(records=records)
    with town.node(job) as node:
        assert node.wait(20) == 0
    return job


def test_a_spool_overflow_whose_event_is_lost_too_is_declared(town: Town) -> None:
    offline = town.job(records=300, per_commit=10, offline=True, limit_bytes=120_000)
    with town.node(offline) as node:
        assert node.wait(20) == 0
    # The spool remembers what it dropped by what is left; the events that say so vanish.
    conn = sqlite3.connect(offline.spool)
    conn.execute("DELETE FROM record WHERE stream = 'event'")
    conn.commit()
    lows = dict(conn.execute("SELECT stream, min(seq) FROM record GROUP BY stream").fetchall())
    conn.close()
    events_n = town.spooled(offline)[Stream.EVENT]

    job = town.job(records=310)
    with town.ingester(), town.node(job) as node:
        assert node.wait(20) == 0

    lost = {stream: set(range(1, lows[stream.value])) for stream in MAKING}
    assert all(lost.values()), "nothing overflowed"
    lost[Stream.EVENT] = set(range(1, events_n + 1))
    town.assert_settled(job, lost)


def test_two_ingesters_split_the_streams(town: Town) -> None:
    job = town.job(records=150, per_commit=10, pause_s=0.03)
    others = ("footfall", "health", "event")
    with (
        town.ingester("srv-ingest-light", "--streams", "light,noise") as first,
        town.ingester("srv-ingest-event", "--streams", ",".join(others)) as second,
        town.node(job) as node,
    ):
        town.wait_spooled(job, 0.5)
        first.kill()
        first.start()
        assert node.wait(30) == 0
        assert second.running
    assert town.assert_settled(job) >= 600


def test_sigterm_ends_in_order(town: Town) -> None:
    job = town.job(records=200, per_commit=10, pause_s=0.05)
    with town.ingester() as ingester, town.node(job) as node:
        ingester.wait_connected()
        town.wait_spooled(job, 0.4)
        assert ingester.terminate() == 0
        ingester.start()
        assert node.wait(30) == 0
    assert "Traceback" not in ingester.log
    assert town.assert_settled(job) >= 800


def connected(town: Town) -> MqttNode:
    return MqttNode(town.node_id, town.broker, town.issue(town.node_id))
