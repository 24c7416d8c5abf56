"""The registry's commands: what they enter, and what they refuse in plain words."""

import getpass
import json
import re

import psycopg
import pytest

from server.errors import MslError
from tests.fixtures_stack import Database
from tests.server.registry.conftest import Msl

pytestmark = pytest.mark.db

SITE = ("--lab", "nord", "--name", "Park", "--latitude", "52.5", "--longitude", "13.4")
SINCE = "2025-06-01T08:00+02:00"


@pytest.fixture
def pilot(msl: Msl) -> Msl:
    """A lab, a site, and a node there."""
    for words in (
        ("lab", "add", "nord", "--name", "Lab Nord"),
        ("site", "add", "park", *SITE, "--tz", "Europe/Berlin"),
        ("node", "add", "lamp-01", "--lab", "nord", "--site", "park", "--from", SINCE),
    ):
        assert msl(*words).exit_code == 0
    return msl


def test_a_node_and_its_place_are_one_command(pilot: Msl) -> None:
    node = json.loads(pilot("node", "show", "lamp-01", "--json").stdout)
    assert (node["state"], node["created_at"]) == ("installed", "2025-06-01T06:00:00Z")
    (stay,) = node["deployments"]
    assert (stay["site_id"], stay["from_t"], stay["to_t"]) == (
        "park", "2025-06-01T06:00:00Z", None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("site", "show", "prak"), "no site 'prak'; did you mean park?"),
        (("site", "show", "x"), "no site 'x'; there are park"),
        (
            ("site", "add", "quay", *SITE, "--tz", "Berlin"),
            "'Berlin' is not a time zone; did you mean Europe/Berlin?",
        ),
        (("site", "add", "park", *SITE, "--tz", "UTC"), "site park is there already"),
        (("site", "add", "Q", *SITE, "--tz", "UTC"), "site_id: Expected `str` matching"),
        (
            ("node", "add", "lamp-02", "--lab", "nord", "--site", "perk"),
            "no site 'perk'; did you mean park?",
        ),
        (("node", "add", "srv-01", "--lab", "nord"), "node_id: Expected `str` matching"),
        (
            ("deployment", "add", "lamp-01", "--site", "park", "--from", "2025-07-01T00:00Z"),
            "lamp-01 is at park from 2025-06-01T06:00:00+00:00 on: a node is in one place at a"
            " time; end that first: msl deployment end lamp-01 --at TIME",
        ),
        (
            ("deployment", "add", "lamp-01", "--site", "park", "--from", "2020-01-01T00:00Z",
             "--to", "2020-01-02T00:00Z"),
            "lamp-01 was created 2025-06-01T06:00:00+00:00, after 2020-01-01T00:00:00+00:00",
        ),
        (
            ("deployment", "end", "lamp-01", "--at", "2025-01-01T00:00Z"),
            "2025-01-01T00:00:00+00:00 is not after that",
        ),
        (
            ("calibration", "add", "lamp-01", "--quantity", "noise", "--gain", "2",
             "--reference", "r"),
            "gain is 2.0; a level has an offset in dB and no gain",
        ),
        (
            ("exclusion", "add", "--from", SINCE, "--to", SINCE, "--reason", "r"),
            "exclusion: name either a node or a site",
        ),
        (
            ("exclusion", "add", "--site", "park", "--from", SINCE, "--to", SINCE, "--reason", "r"),
            "its end 2025-06-01T08:00:00+02:00 is not after its begin",
        ),
        (
            ("intervention", "add", "led", "--lab", "nord", "--title", "t", "--kind", "k",
             "--treated", "park", "--control", "park"),
            "led: site park is both treated and control",
        ),
        (
            ("intervention", "add", "led", "--lab", "nord", "--title", "t", "--kind", "k",
             "--planned-on", "soon"),
            "planned_on: Invalid RFC3339",
        ),
        (("calibration", "accept", "lamp-01/aaaaaaaa/1"), "no calibration event"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[:2]),
)  # fmt: skip
def test_refusals_say_what_stands_against_it(
    pilot: Msl, words: tuple[str, ...], message: str
) -> None:
    result = pilot(*words)
    assert isinstance(result.exception, MslError)
    assert message in str(result.exception)


def test_a_time_without_a_zone_is_wrong_usage(pilot: Msl) -> None:
    result = pilot("deployment", "end", "lamp-01", "--at", "2025-07-01T08:00")
    assert result.exit_code == 2
    assert "has no zone" in re.sub(r"\s+", " ", result.output)


def test_a_node_moves_when_its_stay_has_ended(pilot: Msl) -> None:
    pilot("site", "add", "quay", *SITE, "--tz", "Asia/Kolkata")
    assert pilot("deployment", "end", "lamp-01", "--at", "2025-07-01T00:00Z").exit_code == 0
    moved = pilot("deployment", "add", "lamp-01", "--site", "quay", "--from", "2025-07-01T00:00Z")
    assert moved.exit_code == 0
    (node,) = json.loads(pilot("node", "list", "--json").stdout)
    assert node["site_id"] == "quay"


def test_revoking_twice_says_when_it_was(pilot: Msl) -> None:
    pilot("calibration", "add", "lamp-01", "--quantity", "light", "--reference", "meter 7")
    assert pilot("calibration", "revoke", "1").exit_code == 0
    again = pilot("calibration", "revoke", "1")
    assert str(again.exception).startswith("calibration 1 was revoked at 20")


def test_every_change_is_audited_with_its_actor(pilot: Msl, api: psycopg.Connection) -> None:
    pilot("site", "set", "park", "--tz", "Europe/Madrid", "--actor", "ann")
    rows = api.execute(
        "SELECT actor, action, object, object_id FROM audit ORDER BY audit_id"
    ).fetchall()
    me = getpass.getuser()
    assert rows == [
        (me, "insert", "lab", "nord"),
        (me, "insert", "site", "park"),
        (me, "insert", "node", "lamp-01"),
        (me, "insert", "deployment", "1"),
        ("ann", "update", "site", "park"),
    ]
    change = api.execute(
        "SELECT before ->> 'tz', after ->> 'tz' FROM audit WHERE actor = 'ann'"
    ).fetchone()
    assert change == ("Europe/Berlin", "Europe/Madrid")


def test_an_intervention_entered_again_changes_its_arms(pilot: Msl) -> None:
    pilot("site", "add", "quay", *SITE, "--tz", "UTC")
    led = ("intervention", "add", "led", "--lab", "nord", "--title", "LED", "--kind", "lighting")
    assert "entered led" in pilot(*led, "--treated", "park").stdout
    assert "entered led" in pilot(*led, "--treated", "quay", "--control", "park").stdout
    assert "as it was" in pilot(*led, "--treated", "quay", "--control", "park").stdout
    shown = json.loads(pilot("intervention", "show", "led", "--json").stdout)
    assert shown["arms"] == {"control": ["park"], "treated": ["quay"]}
    # Without arms, those that are there stay.
    assert "entered led" in pilot(*led, "--planned-on", "2025-09-01").stdout
    shown = json.loads(pilot("intervention", "show", "led", "--json").stdout)
    assert (shown["planned_on"], len(shown["arms"])) == ("2025-09-01", 2)


def test_a_calibration_event_becomes_a_row_when_it_is_accepted(
    pilot: Msl, api: psycopg.Connection, database: Database
) -> None:
    with psycopg.connect(database.dsn) as owner:
        owner.execute(
            "INSERT INTO event_raw (t, seq, received_at, origin_id, flags, dur_s, valid_s,"
            " node_id, spool, kind, body) VALUES ('2025-06-02Z', 17, now(), 1, 0, 0, 0,"
            " 'lamp-01', 'aaaaaaaa', 'calibration', %s)",
            ['{"kind": "calibration", "quantity": "noise", "gain": 1.0, "offset": 1.3,'
             ' "as_found": 92.7, "as_left": null, "uncertainty": 0.2, "reference": "B&K 4231",'
             ' "operator": "ann"}'],
        )  # fmt: skip
    (event,) = json.loads(pilot("calibration", "pending", "--json").stdout)
    assert (event["event"], event["as_found"]) == ("lamp-01/aaaaaaaa/17", 92.7)
    assert pilot("calibration", "accept", event["event"]).exit_code == 0
    assert pilot("calibration", "pending").stdout == "nothing pending\n"
    row = api.execute(
        'SELECT quantity, from_t::date::text, "offset", uncertainty, reference, event'
        " FROM calibration"
    ).fetchone()
    assert row == ("noise", "2025-06-02", 1.3, 0.2, "B&K 4231", "lamp-01/aaaaaaaa/17")
    again = pilot("calibration", "accept", event["event"])
    assert str(again.exception) == ("event lamp-01/aaaaaaaa/17 was accepted as calibration 1")
