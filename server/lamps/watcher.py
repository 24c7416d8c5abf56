"""Lamps' states as their light comes in: within a second of being stored, in `msl work`.

A thread and a connection of its own, so that a rollup that takes long doesn't keep a lamp waiting.
Migration 0014 leaves a mark for each hour of light that changed; what is read is what is taken
away, so nothing is missed across restarts, and late light is looked at like any other.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg

from server.ingest.announce import CHANNEL as INGESTED
from server.lamps.site import LampSite, lamp_sites
from server.lamps.site_state import SiteState

REGISTRY_CHANGED = "msl_work"
# Any number that nothing else in this database locks.
LOCK_KEY = 7_301_201_469
# Without news, states are looked at this often: notifications may fail, and time passes.
_EVERY_S = 30.0
_STANDBY_S = 5.0
_SLICE_S = 0.5
_RECONNECT_S = (1.0, 2.0, 5.0, 10.0)

_MARKS = "SELECT mark_id, node_id, hour FROM lamp_mark ORDER BY mark_id LIMIT 100000"
_CLEAR = "DELETE FROM lamp_mark WHERE mark_id = ANY(%s)"

log = logging.getLogger("msl.lamps")


class LampWatcher:
    """Keeps `lamp_state`, `lamp_night` and `lamp_episode` true, until `stop` is set."""

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection],
        stop: threading.Event,
        *,
        kept: timedelta,
        failed: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`connect` gives a new connection in autocommit mode; `failed` is called at each error.

        `kept` is how far back light is looked at: what raw retention keeps; `now` is for tests.
        """
        self._connect = connect
        self._stop = stop
        self._kept = kept
        self._failed = failed
        self._now = now
        self._sites: dict[str, SiteState] = {}

    def run(self) -> None:
        """Work until stopped; reconnect with growing pauses when the database goes away."""
        failed_n = 0
        while not self._stop.is_set():
            try:
                with self._connect() as conn:
                    self._take_turn(conn)
                failed_n = 0
            except Exception as error:
                self._failed()
                pause_s = _RECONNECT_S[min(failed_n, len(_RECONNECT_S) - 1)]
                failed_n += 1
                if isinstance(error, psycopg.OperationalError):
                    log.warning("database: %s; again in %.0f s", str(error).strip(), pause_s)
                else:
                    log.exception("lamps: again from the beginning in %.0f s", pause_s)
                self._stop.wait(pause_s)

    def _take_turn(self, conn: psycopg.Connection) -> None:
        while not _try_lock(conn):
            if self._stop.wait(_STANDBY_S):
                return
        # What another one told meanwhile isn't in our memory.
        self._sites.clear()
        conn.execute(f"LISTEN {INGESTED}")
        conn.execute(f"LISTEN {REGISTRY_CHANGED}")
        all_at_s = -_EVERY_S
        while not self._stop.is_set():
            everything = time.monotonic() - all_at_s >= _EVERY_S
            if everything:
                all_at_s = time.monotonic()
            self.look(conn, everything=everything)
            self._wait(conn)

    def look(self, conn: psycopg.Connection, *, everything: bool = True) -> int:
        """Take in what is new and store what follows; returns how many episodes changed.

        With `everything` also sites without news: a lamp may have fallen silent.
        """
        registered = {site.site_id: site for site in lamp_sites(conn)}
        for gone in set(self._sites) - set(registered):
            del self._sites[gone]
        # Before the light is read: what comes in between is read twice, never not at all.
        marks = conn.execute(_MARKS).fetchall()
        hours: dict[str, set[datetime]] = {}
        for _, node, hour in marks:
            hours.setdefault(node, set()).add(hour)
        changed_n = sum(
            self._look_at(conn, site, hours, everything) for site in registered.values()
        )
        for state in self._sites.values():
            state.keep_nights(conn)
        if changed_n:
            conn.execute("SELECT pg_notify(%s, '')", [REGISTRY_CHANGED])  # the notifier's turn
        if marks:
            conn.execute(_CLEAR, [[mark_id for mark_id, _, _ in marks]])
        return changed_n

    def _look_at(
        self,
        conn: psycopg.Connection,
        site: LampSite,
        hours: dict[str, set[datetime]],
        everything: bool,
    ) -> int:
        known = self._sites.get(site.site_id)
        if known is None or known.site != site:
            known = self._sites[site.site_id] = SiteState(site, self._now() - self._kept)
            began_s = time.monotonic()
            known.load(conn)
            took_s = time.monotonic() - began_s
            log.info("%s: light of %d lamps read in %.1f s", site.site_id, len(site.lamps), took_s)
        elif new := {node: hours[node] for node in site.nodes if node in hours}:
            known.take(conn, new)
        elif not everything:
            return 0
        return known.keep(conn, self._now())

    def _wait(self, conn: psycopg.Connection) -> None:
        """Until somebody has news, or it is time to look anyway."""
        until_s = time.monotonic() + _EVERY_S
        while not self._stop.is_set():
            left_s = min(until_s - time.monotonic(), _SLICE_S)
            if left_s <= 0 or any(True for _ in conn.notifies(timeout=left_s, stop_after=1)):
                return


def _try_lock(conn: psycopg.Connection) -> bool:
    row = conn.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY]).fetchone()
    return row is not None and bool(row[0])
