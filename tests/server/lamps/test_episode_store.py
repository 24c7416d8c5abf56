"""One fault is one episode with one id, whatever is recomputed, and a person's word stays on it."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from server.lamps.episode_store import Changes, reconcile
from server.lighting.episodes import Episode, Kind
from tests.server.lamps.street import FIRST, Street

pytestmark = pytest.mark.db
NIGHT = FIRST + timedelta(days=60)
LIGHT_FROM = FIRST


def episode(
    begin: datetime = NIGHT,
    end: datetime | None = None,
    kind: Kind = Kind.LAMP_FAILURE,
    **fields: Any,
) -> Episode:
    said: dict[str, Any] = {"node": "lamp-1", "confidence": 0.9, "evidence": {"share": 0.1}}
    return Episode(
        kind=kind,
        from_s=int(begin.timestamp()),
        to_s=None if end is None else int(end.timestamp()),
        raised_s=int(begin.timestamp()) + 600,
        closed_by=None if end is None else "lit again",
        **{**said, **fields},
    )


def tell(conn: psycopg.Connection, *found: Episode, light_from: datetime = LIGHT_FROM) -> Changes:
    return reconcile(conn, "park", ["lamp-1", "lamp-2"], found, light_from)


def kept(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    return conn.execute(
        "SELECT episode_id, kind, from_t, to_t, retracted_at IS NOT NULL FROM lamp_episode"
        " ORDER BY episode_id"
    ).fetchall()


@pytest.fixture
def told(street: Street, worker: psycopg.Connection) -> psycopg.Connection:
    """One open failure of lamp-1."""
    street.site()
    street.lamp("lamp-1")
    street.lamp("lamp-2")
    assert tell(worker, episode()) == Changes(1, 0, 0)
    return worker


def test_telling_the_same_again_changes_nothing(told: psycopg.Connection) -> None:
    before = kept(told)
    assert tell(told, episode()) == Changes(0, 0, 0)
    assert kept(told) == before


def test_a_begin_told_better_and_an_end_keep_the_id(told: psycopg.Connection) -> None:
    begin, end = NIGHT - timedelta(minutes=7), NIGHT + timedelta(hours=9)
    assert tell(told, episode(begin, end)) == Changes(0, 1, 0)
    assert kept(told) == [(1, "lampFailure", begin, end, False)]


def test_a_second_fault_of_the_kind_is_a_second_episode(told: psycopg.Connection) -> None:
    first = episode(end=NIGHT + timedelta(hours=9))
    second = episode(NIGHT + timedelta(days=3))
    tell(told, first, second)
    assert [row[0] for row in kept(told)] == [1, 2]
    assert tell(told, second, first) == Changes(0, 0, 0)


def test_a_lamp_whose_section_turns_out_to_be_dark_keeps_its_episode(
    told: psycopg.Connection,
) -> None:
    tell(told, episode(kind=Kind.FEEDER, lamps=("lamp-1", "lamp-2")))
    assert kept(told) == [(1, "feederFault", NIGHT, None, False)]


def test_what_is_no_longer_found_is_retracted_and_comes_back_as_itself(
    told: psycopg.Connection,
) -> None:
    assert tell(told) == Changes(0, 0, 1)
    assert kept(told)[0][4] is True
    assert tell(told, episode()) == Changes(0, 1, 0)
    assert kept(told) == [(1, "lampFailure", NIGHT, None, False)]


def test_what_light_no_longer_kept_told_stays(told: psycopg.Connection) -> None:
    assert tell(told, light_from=NIGHT - timedelta(days=3)) == Changes(0, 0, 0)
    # And one that goes on keeps its begin, from before what is looked at.
    begin = NIGHT + timedelta(days=9)
    assert tell(told, episode(begin), light_from=begin).begun_n == 0
    assert kept(told) == [(1, "lampFailure", NIGHT, None, False)]


def test_a_persons_word_stays_on_the_episode_it_was_about(
    told: psycopg.Connection, api: psycopg.Connection
) -> None:
    api.execute(
        "INSERT INTO lamp_action (episode_id, actor, action) VALUES (1, 'ana', 'acknowledge')"
    )
    # Two overlap what is told now: the one that somebody acted on is it.
    tell(told, episode(NIGHT - timedelta(hours=2), NIGHT + timedelta(hours=30)))
    row = api.execute("SELECT episode_id, acknowledged_by, status FROM lamp_duty").fetchall()
    assert row == [(1, "ana", "over")]


def test_the_api_can_not_change_an_episode_nor_the_worker_an_action(
    told: psycopg.Connection, api: psycopg.Connection
) -> None:
    for conn, statement in (
        (api, "UPDATE lamp_episode SET kind = 'levelTooLow'"),
        (api, "DELETE FROM lamp_action"),
        (api, "UPDATE lamp_action SET actor = 'x'"),
        (told, "INSERT INTO lamp_action (episode_id, actor, action) VALUES (1, 'x', 'reopen')"),
        (told, "DELETE FROM lamp_episode"),
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(statement)
