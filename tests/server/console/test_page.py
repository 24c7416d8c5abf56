"""The page: every node with values, units and reasons; escaped, marked, usable without script."""

import os
import re
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from contract.flags import Flag
from contract.streams import Stream
from server.console.wording import DASH
from tests.fixtures_stack import Database
from tests.server.api.pilot import Pilot, minute

pytestmark = pytest.mark.db


class Text(HTMLParser):
    """The page's words, and its ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.ids: list[str] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(client: httpx.Client) -> Text:
    answer = client.get("/")
    assert answer.status_code == 200
    return Text(answer.text)


def test_an_empty_registry_says_the_command_to_add_a_node(client: httpx.Client) -> None:
    page = read(client)
    assert "No node is registered yet" in page.text
    assert "msl node add" in page.text


def test_the_commands_of_the_empty_page_make_the_node_appear(
    client: httpx.Client, database: Database
) -> None:
    html = unescape(client.get("/").text)
    commands = re.findall(r"(?:^|<code>)msl (.*?)(?:$|</code>)", html, re.MULTILINE)
    environ = {**os.environ, "MSL_DATABASE_DSN": database.dsn_as("msl_api")}
    assert len(commands) == 3
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "server.cli", *shlex.split(command)],
            env=environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    time.sleep(1.1)  # two who ask within a second get the same page
    page = read(client)
    assert "plaza-01" in page.text
    assert "It has not connected yet" in page.text


def test_values_have_units_and_simulated_is_said(client: httpx.Client, pilot: Pilot) -> None:
    now = datetime.now(UTC)
    pilot.site("plaza", "Plaza Mayor")
    pilot.node("lamp-01", "plaza", simulated=True)
    pilot.record("lamp-01", Stream.LIGHT, minute(now), lux_p50=12.34)
    pilot.record("lamp-01", Stream.NOISE, minute(now), laeq=54.21)
    pilot.record("lamp-01", Stream.FOOTFALL, minute(now, 900), lines={"north": (12, 0)})
    page = read(client)
    for words in (
        "Plaza Mayor", "times in Europe/Madrid", "SIMULATED", "12.3 lx", "54.2 dB LAeq",
        "north 12 → 0 ←", "12 from a to b, 0 from b to a", "not calibrated", "measuring",
    ):  # fmt: skip
        assert words in page.text, words


def test_a_record_marked_simulated_marks_the_node_whatever_the_registry_says(
    client: httpx.Client, pilot: Pilot
) -> None:
    pilot.node("lamp-01", simulated=False)
    pilot.record("lamp-01", Stream.LIGHT, minute(datetime.now(UTC)), flags=(Flag.SIMULATED,))
    assert "SIMULATED" in read(client).text


def test_unknown_is_a_dash_with_its_reason_and_no_zero(client: httpx.Client, pilot: Pilot) -> None:
    now = datetime.now(UTC)
    pilot.node("lamp-01")
    pilot.record(
        "lamp-01", Stream.FOOTFALL, minute(now, 900), valid_s=0, flags=(Flag.OCCLUDED,),
        lines={"north": (None, None)},
    )  # fmt: skip
    fault = {"sensor": "noise", "state": "no_samples", "since": 0, "detail": "check the cable"}
    pilot.record("lamp-01", Stream.HEALTH, minute(now), sensors=Jsonb([fault]))
    page = read(client)
    assert f"north {DASH} no value" in page.text
    assert "camera covered, frozen or moved" in page.text
    assert "sensor fault" in page.text
    assert "check the cable" in page.text
    assert "0 → 0" not in page.text


def test_a_silent_node_is_in_the_list_of_what_needs_attention(
    client: httpx.Client, pilot: Pilot
) -> None:
    now = datetime.now(UTC)
    pilot.node("lamp-01")
    pilot.record("lamp-01", Stream.LIGHT, minute(now - timedelta(hours=2)))
    pilot.status("lamp-01", "offline", now - timedelta(hours=1, minutes=59))
    page = read(client)
    assert "1 needs attention" in page.text
    assert "lamp-01 offline since" in page.text
    assert "last known" in page.text


def test_the_sparkline_is_of_corrected_values(client: httpx.Client, pilot: Pilot) -> None:
    newest = minute(datetime.now(UTC))
    pilot.node("lamp-01")
    for n in range(3):
        t = newest - timedelta(minutes=n)
        pilot.record("lamp-01", Stream.LIGHT, t, lux_p50=10)
        pilot.record("lamp-01", Stream.NOISE, t, laeq=50)
    quarter = minute(datetime.now(UTC), 900)
    pilot.record("lamp-01", Stream.FOOTFALL, quarter, lines={"north": (3, 4), "south": (0, 0)})
    for quantity, found in (("light", {"gain": 2}), ("noise", {"offset": -3}),
                            ("footfall", {"gain": 1.5, "line": "north"})):  # fmt: skip
        pilot.calibrate("lamp-01", quantity, newest - timedelta(days=1), **found)
    html = client.get("/").text
    assert "last hour: 20.0 to 20.0 lx, 1 gap" in html
    assert "last hour: 47.0 to 47.0 dB, 1 gap" in html
    assert "last 12 hours of line north: 10.5 to 10.5 crossings, 1 gap" in html


def test_a_retired_node_that_is_gone_needs_no_attention(client: httpx.Client, pilot: Pilot) -> None:
    pilot.node("lamp-01", state="retired")
    pilot.record("lamp-01", Stream.LIGHT, minute(datetime.now(UTC) - timedelta(days=1)))
    page = read(client)
    assert "0 need attention" in page.text
    assert "measured today" not in page.text


def test_a_window_half_seen_says_what_its_count_is_of(client: httpx.Client, pilot: Pilot) -> None:
    pilot.node("lamp-01")
    t = minute(datetime.now(UTC), 900)
    pilot.record("lamp-01", Stream.FOOTFALL, t, valid_s=400, lines={"north": (12, 3)})
    assert "in 400 s seen of 15 min" in read(client).text


def test_losses_say_since_when_they_are_counted(client: httpx.Client, pilot: Pilot) -> None:
    now = datetime.now(UTC)
    first = now - timedelta(days=400)
    pilot.node("lamp-01")
    pilot.ledger("lamp-01", Stream.LIGHT, "stored", 1, 5, at=first)
    pilot.ledger("lamp-01", Stream.LIGHT, "lost", 6, 7, at=now)
    pilot.ledger("lamp-01", Stream.LIGHT, "rejected", 8, 8, at=now)
    pilot.ledger("lamp-01", Stream.LIGHT, "held", 9, 9, at=now)
    pilot.ledger("lamp-01", Stream.LIGHT, "stored", 13, 13, at=now)
    since = f"since {first.day} {first:%b %Y %H:%M}"
    html = client.get("/").text
    for words in (
        f"3 records missing {since}", "1 record held", f"2 records lost on the node {since}",
        f"1 record not legible {since}",
    ):  # fmt: skip
        assert f"<strong>{words}</strong>" in html, words


def test_coverage_that_takes_too_long_reads_as_not_known(
    client: httpx.Client, pilot: Pilot, database: Database
) -> None:
    pilot.node("lamp-01")
    pilot.record("lamp-01", Stream.LIGHT, minute(datetime.now(UTC)))
    with psycopg.connect(database.dsn) as conn:
        # Whoever adds up today's hours waits for this.
        conn.execute("LOCK TABLE light_1h_kept IN ACCESS EXCLUSIVE MODE")
        page = read(client)
    assert "share measured today: not known now" in page.text
    assert "nothing due yet" not in page.text
    assert "12.3 lx" in page.text


def test_what_a_node_and_the_registry_say_is_escaped(client: httpx.Client, pilot: Pilot) -> None:
    evil = "<script>alert(1)</script>\"'&"
    pilot.site("plaza", evil)
    pilot.node("lamp-01", "plaza")
    fault = {"sensor": "light", "state": "fault", "since": 0, "detail": evil}
    pilot.record("lamp-01", Stream.HEALTH, minute(datetime.now(UTC)), sensors=Jsonb([fault]))
    html = client.get("/").text
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert(1)") >= 2


def test_ids_are_unique_and_every_attention_link_has_its_target(
    client: httpx.Client, pilot: Pilot
) -> None:
    pilot.site("plaza")
    for n in range(20):
        pilot.node(f"lamp-{n:02}", "plaza")
        pilot.ledger(
            f"lamp-{n:02}", Stream.LIGHT, "stored", 1, 5,
            at=datetime.now(UTC) - timedelta(days=1),
        )  # fmt: skip
    page = read(client)
    assert len(page.ids) == len(set(page.ids))
    assert "and 8 more below" in page.text
