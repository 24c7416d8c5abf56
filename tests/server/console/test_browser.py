"""The page in a real browser: live without a reload, honest when it is cut off, readable."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from contract.streams import Stream
from docs.chromium import Browser
from server.api.app import create_app
from tests.fixtures_stack import Database
from tests.server.api.pilot import Pilot, minute
from tests.server.api.served import running

# Without chromium these fail and say how to get it: a page nobody looked at isn't tested.
pytestmark = pytest.mark.db
LIVE = "document.querySelector('#live[data-live=yes]') !== null"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture
def lamp(pilot: Pilot) -> Pilot:
    """A node with every stream, and one that never came."""
    now = datetime.now(UTC)
    pilot.site("plaza", "Plaza with a rather long name that has to wrap on a phone")
    pilot.node("lamp-01", "plaza", simulated=True)
    pilot.node("a-node-with-the-longest-name-yes", "plaza")
    for stream in (Stream.LIGHT, Stream.NOISE, Stream.HEALTH):
        pilot.record("lamp-01", stream, minute(now))
    lines = {f"a-line-with-a-long-name-{n}": (100_000, 99_999) for n in range(3)}
    pilot.record("lamp-01", Stream.FOOTFALL, minute(now, 900), lines=lines)
    return pilot


def test_a_new_value_appears_without_a_reload_and_scroll_and_focus_stay(
    browser: Browser, client: httpx.Client, lamp: Pilot
) -> None:
    browser.show(width_px=390, height_px=300)
    browser.open(str(client.base_url))
    browser.wait_for(LIVE)
    browser.ask("window.kept = 'the same page'")
    browser.ask("document.getElementById('node-lamp-01').focus()")
    browser.ask("window.scrollTo(0, 200)")
    newer = minute(datetime.now(UTC)) + timedelta(seconds=30)
    lamp.record("lamp-01", Stream.LIGHT, newer, lux_p50=77.7)
    lamp.notify(Stream.LIGHT)
    browser.wait_for("document.getElementById('node-lamp-01').textContent.includes('77.7')", 10)
    assert browser.ask("window.kept") == "the same page"
    assert browser.ask("document.activeElement.id") == "node-lamp-01"
    assert browser.ask("window.scrollY") == 200


def test_a_new_node_appears_without_a_reload(
    browser: Browser, client: httpx.Client, lamp: Pilot
) -> None:
    browser.open(str(client.base_url))
    browser.wait_for(LIVE)
    browser.ask("window.kept = 'the same page'")
    lamp.node("lamp-02", "plaza")
    lamp.notify(Stream.LIGHT)
    browser.wait_for("document.getElementById('node-lamp-02') !== null", 15)
    assert browser.ask("window.kept") == "the same page"


def test_a_lost_server_is_said_with_the_time_and_comes_back(
    browser: Browser, database: Database, lamp: Pilot
) -> None:
    app = create_app(database.dsn_as("msl_api"))
    with running(app) as url:
        browser.open(url)
        browser.wait_for(LIVE)
    browser.wait_for("document.getElementById('live').textContent.includes('Not live since')")
    assert browser.ask("document.body.classList.contains('cut')") is True
    with running(create_app(database.dsn_as("msl_api")), port=int(url.rpartition(":")[2])):
        browser.wait_for(LIVE, 20)
        assert browser.ask("document.body.classList.contains('cut')") is False


def test_ages_go_on_while_nothing_comes_and_are_the_servers_while_it_is_asked(
    browser: Browser, client: httpx.Client, lamp: Pilot
) -> None:
    browser.open(str(client.base_url))
    browser.wait_for(LIVE)
    age = "document.querySelector('#node-lamp-01 time[data-age]').nextElementSibling.textContent"
    # The server says that its database is away: what is shown grows older all the same.
    browser.ask("source.dispatchEvent(new MessageEvent('down', {data: '{\"why\": \"x\"}'}))")
    browser.ask("lastAtHere -= 3600_000")
    browser.ask("showAges()")
    assert re.fullmatch(r" \(6\d min ago\)", browser.ask(age))
    # No event for an hour, but answers: their time counts, not that of the last event.
    browser.ask("source.close()")
    browser.ask("lastHeard -= 3600_000")
    browser.ask("poll().then(() => { window.polled = true; })")
    browser.wait_for("window.polled === true", 10)
    assert re.fullmatch(r" \((now|(\d+ s|[1-5] min) ago)\)", browser.ask(age))
    assert browser.ask("live.dataset.live") == "poll"


@pytest.mark.parametrize("width_px", [320, 390, 1280, 1920])
def test_nothing_runs_over_the_edge(
    browser: Browser, client: httpx.Client, lamp: Pilot, width_px: int
) -> None:
    browser.show(width_px=width_px, height_px=900)
    browser.open(str(client.base_url))
    browser.wait_for(LIVE)
    assert browser.ask("document.documentElement.scrollWidth") <= width_px
    wide = browser.ask(
        "[...document.querySelectorAll('.card *')].filter(e => !e.closest('.hidden') &&"
        " e.getBoundingClientRect().right > innerWidth).map(e => e.className)"
    )
    assert wide == []


def test_the_content_policy_stops_nothing_of_ours(
    browser: Browser, client: httpx.Client, lamp: Pilot
) -> None:
    browser.call(
        "Page.addScriptToEvaluateOnNewDocument",
        source="window.stopped = []; document.addEventListener('securitypolicyviolation',"
        " e => window.stopped.push(e.violatedDirective + ' ' + e.blockedURI));",
    )
    browser.open(str(client.base_url))
    browser.wait_for(LIVE)
    time.sleep(0.5)
    assert browser.ask("window.stopped") == []


def test_every_text_has_contrast_enough_in_light_and_dark(
    browser: Browser, client: httpx.Client, lamp: Pilot
) -> None:
    for dark in (False, True):
        browser.show(width_px=1280, height_px=900, dark=dark)
        browser.open(str(client.base_url))
        browser.wait_for(LIVE)
        faint = browser.ask(CONTRAST)
        assert faint == [], f"dark={dark}"


# WCAG 2.2, 1.4.3: 4.5 to 1 for text of this size.
CONTRAST = """
(() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const lum = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => {
      const s = v / 255;
      return s <= 0.03928 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const c = parse(getComputedStyle(at).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")]
    .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()))
    .filter((e) => !e.closest(".hidden, .skip, svg, script"))
    .map((e) => {
      const [a, b] = [lum(parse(getComputedStyle(e).color)), lum(ground(e))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), e.className || e.tagName, e.textContent.trim()];
    })
    .filter(([ratio]) => ratio < 4.5);
})()
"""
