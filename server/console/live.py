"""News for open pages: woken by the database, told once to everybody, honest when it is cut off.

The ingest transaction notifies; a page that nobody looks at costs nothing. States also change by
the mere passing of time, so the board is looked at every `TICK_S` in any case, which is the way
it goes on when notifications fail.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from starlette.concurrency import run_in_threadpool

from server.api.errors import DATABASE_ERRORS
from server.console.board import Board, State, changes_since
from server.ingest.announce import CHANNEL

log = logging.getLogger(__name__)

TICK_S = 10.0
# Notifications of one moment are answered together.
GATHER_S = 1.0
# The board never takes more than a fifth of one core, however large the fleet.
REST_PER_WORK = 4.0
RETRY_S = 2.0
# Away, or too slow: what the page knows is that no answer came.
_NO_DATABASE = "the database gives no answer"
_NO_BOARD = "the server failed at it; its log says how"


@dataclass(frozen=True, slots=True)
class Message:
    """One server-sent event."""

    event: str
    data: str
    id: str | None = None

    def encode(self) -> bytes:
        """On the wire; `data` is JSON, which has no line ends of its own."""
        head = f"id: {self.id}\n" if self.id else ""
        return f"{head}event: {self.event}\ndata: {self.data}\n\n".encode()


@dataclass(frozen=True, slots=True)
class Down:
    """Since when the board can't be made, and why, in words for the page."""

    since: datetime
    why: str


class Live:
    """Watches the database and wakes the streams of open pages."""

    def __init__(self, board: Board, dsn: str) -> None:
        self._board = board
        self._dsn = dsn
        self._wake = asyncio.Event()
        self._moved = asyncio.Condition()
        self._state: State | None = None
        self._down: Down | None = None
        self._turn = 0
        self._watchers = 0
        self._closing = False
        self.listening = False

    @property
    def watchers(self) -> int:
        """Open pages."""
        return self._watchers

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen and refresh until the block ends."""
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._refresh())]
        try:
            yield
        finally:
            await self.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """End every open stream, so that the server can stop."""
        self._closing = True
        async with self._moved:
            self._moved.notify_all()

    async def messages(self, token: str) -> AsyncIterator[bytes]:
        """Events for one page that has `token`, until it leaves or the server stops."""
        self._watchers += 1
        seen: int | None = self._turn
        try:
            yield b"retry: 2000\n\n"
            self._wake.set()
            while (seen := await self._next_turn(seen)) is not None:
                message, token = _news(self._state, self._down, token)
                yield message.encode()
        finally:
            self._watchers -= 1

    async def _next_turn(self, seen: int | None) -> int | None:
        """Wait until the refresher has looked again; None when the server stops."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._closing or self._turn != seen)
        return None if self._closing else self._turn

    async def _refresh(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), TICK_S)
            self._wake.clear()
            if not self._watchers:
                continue
            began = time.monotonic()
            try:
                self._state = await run_in_threadpool(self._board.current)
                self._down = None
            except DATABASE_ERRORS as error:
                log.warning("console: database: %s", error)
                self._down = self._still_down(_NO_DATABASE)
            except Exception:
                # The outermost loop: a page that stands still without a word would be a lie.
                log.exception("console: the board can't be made")
                self._down = self._still_down(_NO_BOARD)
            self._turn += 1
            async with self._moved:
                self._moved.notify_all()
            worked_s = time.monotonic() - began
            await asyncio.sleep(max(GATHER_S, REST_PER_WORK * worked_s))

    def _still_down(self, why: str) -> Down:
        return Down(self._down.since if self._down else datetime.now(UTC), why)

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except DATABASE_ERRORS as error:
                log.warning("console: not listening: %s; trying again", error)
            self.listening = False
            self._wake.set()
            await asyncio.sleep(RETRY_S)

    async def _listen_once(self) -> None:
        """Wake the refresher at every notification until the connection breaks."""
        connection = await psycopg.AsyncConnection.connect(
            self._dsn, autocommit=True, application_name="msl serve live", connect_timeout=10,
            keepalives_idle=10, keepalives_interval=5, keepalives_count=3,
        )  # fmt: skip
        async with connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            self.listening = True
            self._wake.set()
            async for _ in connection.notifies():
                self._wake.set()


def _news(state: State | None, down: Down | None, token: str) -> tuple[Message, str]:
    """What to tell a page that has `token`, and the token it has then."""
    if down is not None or state is None:
        down = down or Down(datetime.now(UTC), _NO_DATABASE)
        since = down.since.isoformat().replace("+00:00", "Z")
        return Message("down", json.dumps({"since": since, "why": down.why})), token
    changes = changes_since(state, token)
    if changes.reload:
        return Message("reload", "{}"), changes.token
    body = {"at": state.at.isoformat().replace("+00:00", "Z"), "pieces": changes.pieces}
    return Message("pieces", json.dumps(body), id=changes.token), changes.token
