"""One site's lamps in the worker's memory: what their light has said so far, and what is new."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg

from server.lamps.episode_store import reconcile
from server.lamps.night_store import keep_nights, keep_state
from server.lamps.site import Lamp, LampSite, light_of_hours, site_light
from server.lighting.live import HistoryNeeded, LampNow, LampState, SiteWatch

# Nights are for people and for sums: they follow a state within this.
_NIGHTS_EVERY_S = 60.0
# Nights that a new sample may still change.
_NEWEST_NIGHTS = 3
# A lamp whose newest record is older than this says nothing of now, whatever it said then.
_SILENT = timedelta(minutes=30)


@dataclass
class SiteState:
    """What one site's light has told; `watch` is None while there is none."""

    site: LampSite
    since: datetime
    """Older light isn't looked at."""
    watch: SiteWatch | None = None
    light_from: datetime = field(default_factory=lambda: datetime.now(UTC))
    unlearned: frozenset[str] = frozenset()
    """Lamps that were not seen switching yet."""
    nights_from: int | None = 0
    """Nights to be stored: all (0), the newest (negative), or None: all are."""
    nights_at_s: float = 0.0

    def load(self, conn: psycopg.Connection) -> None:
        """Read all light from `since` on from the database."""
        samples = site_light(conn, self.site, self.since)
        oldest = [int(one.t_s[0]) for one in samples.values() if one.t_s.size]
        self.watch, self.nights_from, self.nights_at_s = None, 0, 0.0
        if not oldest:
            return
        self.light_from = datetime.fromtimestamp(min(oldest), UTC)
        latitude, longitude = self.site.place
        self.watch = SiteWatch.start(
            samples, latitude, longitude, feeders=self.site.feeders,
            commissioned_lx=self.site.commissioned_lx,
        )  # fmt: skip
        self.unlearned = frozenset(self.watch.diagnosis().never_lit)

    def take(self, conn: psycopg.Connection, hours: Mapping[str, set[datetime]]) -> None:
        """Take in hours of light that changed, by node; all is read anew where that must be."""
        try:
            if self.watch is None:
                raise HistoryNeeded("the site's first light")
            for node, some in hours.items():
                new = light_of_hours(conn, self._lamp(node), some)
                self.watch.take(node, new.t_s, new.lux)
        except HistoryNeeded:
            self.load(conn)
        if self.nights_from is None:
            self.nights_from = -_NEWEST_NIGHTS

    def keep(self, conn: psycopg.Connection, at: datetime) -> int:
        """Store episodes and states as they are told now; returns how many episodes changed."""
        with conn.transaction():
            for node in self.site.nodes:
                self._keep_state(conn, node, at)
            if self.watch is None:
                return 0
            changes = reconcile(
                conn, self.site.site_id, self.site.nodes, self.watch.episodes(), self.light_from
            )
        return changes.any_n

    def keep_nights(self, conn: psycopg.Connection) -> None:
        """Store nights that changed, at most once a minute."""
        due = time.monotonic() - self.nights_at_s >= _NIGHTS_EVERY_S
        if self.watch is None or self.nights_from is None or not (due or self.nights_from == 0):
            return
        found = self.watch.diagnosis()
        self.unlearned = frozenset(found.never_lit)
        for nights in found.nights.values():
            keep_nights(conn, self.site.site_id, self.site.zone, nights[self.nights_from :])
        self.nights_from, self.nights_at_s = None, time.monotonic()

    def _keep_state(self, conn: psycopg.Connection, node: str, at: datetime) -> None:
        if self.watch is None or node not in self.watch.lamps:
            keep_state(conn, node, "no data", at_s=None, since_s=None, learned=False)
            return
        said = self.watch.now(node)
        silent = at - datetime.fromtimestamp(said.at_s, UTC) > _SILENT
        learned = node not in self.unlearned
        state, since_s = _shown(said, silent=silent, learned=learned)
        keep_state(conn, node, state, at_s=said.at_s, since_s=since_s, learned=learned)

    def _lamp(self, node: str) -> Lamp:
        return next(lamp for lamp in self.site.lamps if lamp.node_id == node)


def _shown(said: LampNow, *, silent: bool, learned: bool) -> tuple[str, int | None]:
    """State and since when; a lamp that was never seen switching can't be told by night."""
    if silent:
        return str(LampState.NO_DATA), said.at_s
    if not learned and said.state in (LampState.LIT, LampState.OUT):
        return str(LampState.UNKNOWN), None
    return str(said.state), said.since_s
