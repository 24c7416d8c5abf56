"""Told once, to the right ones, not at night, again when it failed, and when it is over."""

import json
import logging
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import psycopg
import pytest

from server.lamps.duty import act
from server.lamps.episode_store import reconcile
from server.lighting.episodes import Episode, Kind
from server.notify.channels import Channel, Channels, Quiet
from server.notify.outbox import notify
from tests.server.lamps.street import Street
from tests.server.notify.conftest import Hook, Inbox

pytestmark = pytest.mark.db
# 12:00 in Berlin.
NOON = datetime(2026, 3, 10, 11, tzinfo=UTC)
NIGHT = NOON + timedelta(hours=12)
MORNING = datetime(2026, 3, 11, 5, tzinfo=UTC)
QUIET = Quiet(time(22), time(6))


def tell(conn: psycopg.Connection, *kinds: tuple[str, Kind], end: datetime | None = None) -> None:
    found = [
        Episode(
            node=node, kind=kind, from_s=int(NOON.timestamp()) - 3600,
            to_s=None if end is None else int(end.timestamp()), raised_s=int(NOON.timestamp()),
            confidence=0.9, closed_by=None if end is None else "lit again",
        )
        for node, kind in kinds
    ]  # fmt: skip
    reconcile(conn, "park", ["lamp-1", "lamp-2"], found, NOON - timedelta(days=300))


@pytest.fixture
def park(street: Street) -> Street:
    """Two lamps, of nodes that are on the shelf: only lamps are told of here."""
    street.site()
    street.lamp("lamp-1")
    street.lamp("lamp-2")
    street.conn.execute("UPDATE node SET state = 'enrolled'")
    return street


def mail(file: Path, **fields: object) -> Channel:
    return Channel(**{"name": "duty", "url_file": str(file), **fields})  # type: ignore[arg-type]


FAULT = ("lamp-1", Kind.LAMP_FAILURE)


def test_a_fault_is_mailed_once_and_once_more_when_it_is_over(
    park: Street, worker: psycopg.Connection, inbox: tuple[Inbox, Path]
) -> None:
    box, file = inbox
    channels = Channels(channel=(mail(file),))
    tell(worker, FAULT)
    assert notify(worker, channels, NOON) == 1
    for minutes in (1, 60, 3000):
        assert notify(worker, channels, NOON + timedelta(minutes=minutes)) == 0
    tell(worker, FAULT, end=NOON + timedelta(hours=8))
    assert notify(worker, channels, NOON + timedelta(hours=60)) == 1
    begun, over = box.texts()
    assert "lamp out since 2026-03-10 11:00 CET" in begun
    assert "Park, lamp-1" in begun
    assert "Over (lit again)" in over


def test_quiet_hours_hold_a_lamp_back_but_not_a_section(
    park: Street, worker: psycopg.Connection, inbox: tuple[Inbox, Path]
) -> None:
    box, file = inbox
    channels = Channels(channel=(mail(file),), quiet=QUIET)
    tell(worker, FAULT)
    assert notify(worker, channels, NIGHT) == 0
    assert notify(worker, channels, MORNING - timedelta(minutes=1)) == 0
    assert notify(worker, channels, MORNING + timedelta(minutes=1)) == 1
    tell(worker, FAULT, ("lamp-2", Kind.FEEDER))
    assert notify(worker, channels, NIGHT + timedelta(days=1)) == 1
    assert "section dark" in box.texts()[-1]


def test_what_is_over_before_the_morning_is_never_said(
    park: Street, worker: psycopg.Connection, inbox: tuple[Inbox, Path]
) -> None:
    channels = Channels(channel=(mail(inbox[1]),), quiet=QUIET)
    tell(worker, FAULT)
    notify(worker, channels, NIGHT)
    tell(worker, FAULT, end=NIGHT)
    assert notify(worker, channels, MORNING + timedelta(hours=2)) == 0
    assert inbox[0].mails == []


def test_faults_of_a_night_come_in_one_mail(
    park: Street, worker: psycopg.Connection, inbox: tuple[Inbox, Path]
) -> None:
    channels = Channels(channel=(mail(inbox[1]),), quiet=QUIET)
    tell(worker, FAULT, ("lamp-2", Kind.LEVEL_LOW))
    notify(worker, channels, NIGHT)
    assert notify(worker, channels, MORNING + timedelta(hours=1)) == 2
    (text,) = inbox[0].texts()
    assert text.startswith("2 to look at, 0 over")


def test_nobodys_acknowledging_it_is_told_once_to_those_who_are_there_for_that(
    park: Street,
    worker: psycopg.Connection,
    api: psycopg.Connection,
    inbox: tuple[Inbox, Path],
    tmp_path: Path,
) -> None:
    box, file = inbox
    channels = Channels(channel=(mail(file, name="head", after_h=24),))
    tell(worker, FAULT, ("lamp-2", Kind.LEVEL_LOW))
    act(api, 2, "acknowledge", "ana")
    assert notify(worker, channels, NOON) == 0
    assert notify(worker, channels, NOON + timedelta(hours=25)) == 1
    assert notify(worker, channels, NOON + timedelta(hours=50)) == 0
    (text,) = box.texts()
    assert "Not acknowledged for 25 h" in text
    assert "lamp-1" in text


def test_a_hook_gets_talq_log_reports_with_begin_and_end(
    park: Street, worker: psycopg.Connection, hook: Hook, tmp_path: Path
) -> None:
    (tmp_path / "hook_url").write_text(hook.url.replace("user:secret@", ""))
    channels = Channels(channel=(mail(tmp_path / "hook_url", kind="talq", about=("lamp",)),))
    tell(worker, FAULT)
    notify(worker, channels, NOON)
    tell(worker, FAULT, end=NOON + timedelta(hours=1))
    notify(worker, channels, NOON + timedelta(hours=2))
    (headers, begun), (_, over) = hook.posts
    assert headers["Idempotency-Key"] == "notice-1"
    data = begun["entries"][0]["data"]
    assert data["type"] == "EventLogData"
    assert data["eventType"] == "lampFailure"
    assert (data["srcAddress"], data["startEndFlag"]) == ("lamp-1/lampMonitor", True)
    assert data["timestamp"] == "2026-03-10T10:00:00Z"
    assert begun["entries"][0]["episode"]["source"] == "optical-inferred"
    assert over["entries"][0]["data"]["startEndFlag"] is False
    assert over["entries"][0]["cmsRefId"] == begun["entries"][0]["cmsRefId"]


def test_what_failed_is_tried_again_and_no_log_shows_the_address(
    park: Street,
    worker: psycopg.Connection,
    hook: Hook,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "hook_url").write_text(hook.url.replace("user:secret@", "") + "?token=secret")
    channels = Channels(channel=(mail(tmp_path / "hook_url", kind="talq"),))
    hook.status = 503
    tell(worker, FAULT)
    with caplog.at_level(logging.DEBUG):
        assert notify(worker, channels, NOON) == 0
    assert "channel duty: it answered 503" in caplog.text
    assert "secret" not in caplog.text
    (error,) = worker.execute("SELECT last_error FROM notice_delivery").fetchone() or ("",)
    assert error == "it answered 503"
    hook.status = 201
    assert notify(worker, channels, NOON + timedelta(seconds=30)) == 0
    assert notify(worker, channels, NOON + timedelta(seconds=61)) == 1


def test_a_mail_server_that_is_away_is_said_without_its_address(
    park: Street, worker: psycopg.Connection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "url").write_text("mailto://user:secret@127.0.0.1:1/?from=a@example.org&to=b@c.org")
    tell(worker, FAULT)
    with caplog.at_level(logging.DEBUG):
        assert notify(worker, Channels(channel=(mail(tmp_path / "url"),)), NOON) == 0
    assert "can't be reached" in caplog.text
    assert "secret" not in caplog.text


def test_only_sites_and_things_a_channel_is_for_reach_it(
    park: Street, worker: psycopg.Connection, inbox: tuple[Inbox, Path]
) -> None:
    tell(worker, FAULT)
    channels = Channels(
        channel=(
            mail(inbox[1], name="elsewhere", sites=("quay",)),
            mail(inbox[1], name="nodes", about=("node", "stream")),
        )
    )
    assert notify(worker, channels, NOON) == 0


def test_a_node_that_fell_silent_is_told_after_an_hour_and_when_it_is_back(
    street: Street, worker: psycopg.Connection, inbox: tuple[Inbox, Path]
) -> None:
    street.site()
    street.lamp("lamp-1")
    now = datetime.now(UTC)
    died = now - timedelta(minutes=30)
    status = (
        "INSERT INTO node_status (received_at, node_id, state, boot, rev, spool)"
        " VALUES (%s, 'lamp-1', %s, repeat('0', 32), '1', 'abcdefgh')"
    )
    street.conn.execute(
        "INSERT INTO ledger (node_id, spool, stream, first_at, last_at)"
        " VALUES ('lamp-1', 'abcdefgh', 'health', %s, %s)",
        [died - timedelta(hours=1), died],
    )
    street.conn.execute(status, [died + timedelta(seconds=1), "offline"])
    # Its streams, which this town never had, are another matter.
    channels = Channels(channel=(mail(inbox[1], about=("node",)),))
    assert notify(worker, channels, now) == 0
    assert notify(worker, channels, now + timedelta(minutes=31)) == 1
    assert notify(worker, channels, now + timedelta(minutes=90)) == 0
    street.conn.execute(status, [now + timedelta(minutes=91), "online"])
    assert notify(worker, channels, now + timedelta(minutes=92)) == 1
    silent, back = inbox[0].texts()
    assert "lamp-1: offline" in silent
    assert "it speaks again" in back


def test_no_notice_says_anything_about_people(
    park: Street, worker: psycopg.Connection, inbox: tuple[Inbox, Path]
) -> None:
    """By what can be told of at all: things, and none of the counts is read for it."""
    with pytest.raises(psycopg.errors.CheckViolation):
        worker.execute(
            "INSERT INTO notice (subject, about, event, begun_t, urgent, text, payload)"
            " VALUES ('x', 'people', 'begun', now(), false, 'x', '{}')"
        )
    tell(worker, FAULT)
    notify(worker, Channels(channel=(mail(inbox[1]),)), NOON)
    rows = worker.execute("SELECT text, payload FROM notice").fetchall()
    said = json.dumps([[text, payload] for text, payload in rows])
    for word in ("a_to_b", "occupancy", "crossing", "footfall", "person"):
        assert word not in said
