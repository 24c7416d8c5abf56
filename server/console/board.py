"""The page in pieces: one fragment a node, each with the version at which it last changed.

A browser says which version it has and gets what is newer; nobody gets a piece that is as it was.
Loaded once for everybody, however many watch.
"""

import hashlib
import secrets
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from jinja2 import Environment

from server.api.coverage import CoverageToday
from server.api.database import Lease
from server.api.fleet import Fleet, Node, load_fleet
from server.api.zones import site_zone
from server.console.card import Card, make_card
from server.console.history import History, Sketches
from server.console.wording import Mark, zone_name

# Two browsers that ask within this get the same answer.
LEAST_AGE_S = 1.0
# Longest list of what needs attention: beyond this the cards themselves are the list.
MAX_ATTENTION = 12
SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Piece:
    """A fragment of HTML and the version of the board at which it came to be as it is."""

    html: str
    version: int


@dataclass(frozen=True, slots=True)
class SiteGroup:
    """The cards of one site, in the site's time; `site_id` is None for nodes that stand nowhere."""

    site_id: str | None
    name: str
    zone: str
    nodes: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class State:
    """The board at one moment. `layout` changes when a node comes, goes or moves."""

    at: datetime
    epoch: str
    version: int
    layout: str
    layout_version: int
    groups: tuple[SiteGroup, ...]
    pieces: dict[str, Piece]

    @property
    def token(self) -> str:
        """What a browser sends back to say what it has."""
        return f"{self.epoch}-{self.version}"


@dataclass(frozen=True, slots=True)
class Changes:
    """What a browser lacks: a reload when the layout is another, else pieces by name."""

    token: str
    reload: bool = False
    pieces: dict[str, str] = field(default_factory=dict)


class Board:
    """Keeps the newest state; safe to use from several threads."""

    def __init__(self, templates: Environment, lease: Lease, coverage: CoverageToday) -> None:
        self._node = templates.get_template("node.html")
        self._summary = templates.get_template("summary.html")
        self._lease = lease
        self._coverage = coverage
        self._history = History()
        self._lock = threading.Lock()
        self._state: State | None = None
        self._loaded_at = 0.0
        # Versions of another process's life mean nothing here.
        self._epoch = secrets.token_hex(4)

    def current(self, least_age_s: float = LEAST_AGE_S) -> State:
        """The state, read anew unless it is younger than `least_age_s`.

        Raises:
            psycopg.OperationalError: The database can't be reached; the old state is kept.
        """
        with self._lock:
            if self._state is None or time.monotonic() - self._loaded_at > least_age_s:
                self._state = self._next(self._state)
                self._loaded_at = time.monotonic()
            return self._state

    def _next(self, before: State | None) -> State:
        with self._lease() as conn:
            fleet = load_fleet(conn, coverage=self._coverage)
            sketches = self._history.load(conn, fleet)
        groups = _group(fleet, sketches)
        html = {
            f"node-{card.node_id}": self._node.render(node=card)
            for group in groups
            for card in group.nodes
        }
        html[SUMMARY] = self._summary.render(summary=summarise(groups))
        return self._versioned(before, fleet.at, groups, html)

    def _versioned(
        self,
        before: State | None,
        at: datetime,
        groups: tuple[SiteGroup, ...],
        html: dict[str, str],
    ) -> State:
        known = before.pieces if before else {}
        version = before.version + 1 if before else 1
        layout = _layout(groups)
        same = before is not None and before.layout == layout
        return State(
            at=at,
            epoch=self._epoch,
            version=version,
            layout=layout,
            layout_version=before.layout_version if before and same else version,
            groups=groups,
            pieces={
                name: known[name]
                if name in known and known[name].html == text
                else Piece(text, version)
                for name, text in html.items()
            },
        )


def changes_since(state: State, token: str) -> Changes:
    """What a browser that has `token` lacks; a token of another life lacks the whole page."""
    epoch, _, number = token.partition("-")
    if epoch != state.epoch or not (number.isascii() and number.isdigit()) or len(number) > 12:
        return Changes(state.token, reload=True)
    version = int(number)
    if state.layout_version > version:
        return Changes(state.token, reload=True)
    newer = {name: piece.html for name, piece in state.pieces.items() if piece.version > version}
    return Changes(state.token, pieces=newer)


@dataclass(frozen=True, slots=True)
class Summary:
    """The fleet in one line, and what needs attention first."""

    nodes_n: int
    measuring_n: int
    waiting_n: int
    attention_n: int
    attention: tuple[Card, ...]
    simulated_n: int


def summarise(groups: tuple[SiteGroup, ...]) -> Summary:
    """Counts over all cards; the troubled ones, the loudest first."""
    cards = [card for group in groups for card in group.nodes]
    troubled = [card for card in cards if card.mark in (Mark.BAD, Mark.WARN)]
    troubled.sort(key=lambda card: (card.mark is not Mark.BAD, card.node_id))
    return Summary(
        nodes_n=len(cards),
        measuring_n=sum(card.mark is Mark.GOOD for card in cards),
        waiting_n=sum(card.mark in (Mark.WAIT, Mark.OFF) for card in cards),
        attention_n=len(troubled),
        attention=tuple(troubled[:MAX_ATTENTION]),
        simulated_n=sum(card.simulated for card in cards),
    )


def _group(fleet: Fleet, sketches: Sketches) -> tuple[SiteGroup, ...]:
    """Cards by site; the snapshot comes ordered by site."""
    groups = []
    for (site_id, name, tz), nodes in groupby(fleet.nodes, key=_site_of):
        zone = site_zone(tz)
        groups.append(
            SiteGroup(
                site_id=site_id,
                name=name or "Not placed at a site yet",
                zone=zone_name(fleet.at, zone),
                nodes=tuple(
                    make_card(node, sketches.get(node.row.node_id, {}), fleet.at, zone)
                    for node in nodes
                ),
            )
        )
    return tuple(groups)


def _site_of(node: Node) -> tuple[str | None, str | None, str | None]:
    return node.row.site_id, node.row.site_name, node.row.tz


def _layout(groups: tuple[SiteGroup, ...]) -> str:
    text = "\n".join(
        f"{group.site_id}\t{group.name}\t{group.zone}\t{card.node_id}"
        for group in groups
        for card in group.nodes
    )
    return hashlib.sha256(text.encode()).hexdigest()
