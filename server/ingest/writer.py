"""The loop: take a batch, store it, acknowledge it; cut it up when PostgreSQL refuses a value.

Nothing is acknowledged before its transaction has committed. What fails through no fault of the
data is tried again until it succeeds; the broker connection lives in a thread of its own and keeps
pinging meanwhile.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

import psycopg

from contract import topics
from contract.json import encode
from contract.messages import Ack
from server.ingest import registry
from server.ingest.dead_letter import DeadLetterFull
from server.ingest.gather import IDLE_S, Gatherer
from server.ingest.inbound import LedgerKey, Letter, Message, Part, RecordsPart
from server.ingest.ledger import LedgerFull
from server.ingest.limits import Limits
from server.ingest.metrics import Metrics
from server.ingest.receive import Receiver
from server.ingest.store import Stored, store

log = logging.getLogger(__name__)

BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 10.0
PARKED_RETRY_S = 5.0

# Once may be a lock that somebody held; twice, and something in the group takes that long.
CANCELLED_MAX = 2

# The data's own fault: sorted out by cutting the batch down to the record. Everything else that
# PostgreSQL says (no connection, disk full, a missing right or table) is not.
DATA_ERRORS = (psycopg.DataError, psycopg.IntegrityError, ValueError, OverflowError)


class Stopping(Exception):
    """Asked to stop while the database was away; what is unacknowledged will be sent again."""


class Unforeseen(Exception):
    """An exception that storing isn't known to raise."""


class Writer:
    """Stores what a receiver brings until it is told to stop.

    Args:
        connect: Opens a database connection prepared by `server.ingest.connection`.
        stop: Set from outside; the batch at hand is finished first.
    """

    def __init__(
        self,
        receiver: Receiver,
        connect: Callable[[], psycopg.Connection],
        limits: Limits,
        metrics: Metrics,
        stop: threading.Event,
    ) -> None:
        self._receiver = receiver
        self._connect = connect
        self._limits = limits
        self._metrics = metrics
        self._stop = stop
        self._conn: psycopg.Connection | None = None
        self._parked: list[Part] = []
        self._parked_tried_s = 0.0

    def run(self) -> None:
        """Until `stop` is set."""
        with Gatherer(self._receiver, self._limits, self._metrics, self._stop) as batches:
            try:
                while not self._stop.is_set():
                    parts = batches.take(IDLE_S)
                    if parts:
                        self._store_all(parts)
                    self._retry_parked()
            except Stopping:
                log.warning("stopped while the database was away; the broker keeps what is open")
            finally:
                self._disconnect()

    def _store_all(self, parts: Sequence[Part]) -> None:
        """Store `parts`, cutting where the data is at fault; acknowledge what is in whole."""
        open_n = Counter(id(part.message) for part in parts)
        todo: list[Sequence[Part]] = [parts]
        while todo:
            group = todo.pop()
            try:
                done = self._store_patiently(group)
            except DeadLetterFull as error:
                todo.extend(self._make_way(group, error))
            except LedgerFull as error:
                todo.extend(self._without(group, error))
            except (psycopg.errors.QueryCanceled, Unforeseen) as error:
                self._metrics.bisections.inc()
                if len(group) == 1:
                    self._refuse(group[0], error)
                    continue
                middle = len(group) // 2
                todo.extend((group[middle:], group[:middle]))
            except DATA_ERRORS as error:
                self._metrics.bisections.inc()
                pieces = cut(group, error)
                if not pieces:
                    self._park(group[0], error)
                    continue
                for piece in pieces:
                    open_n.update(id(part.message) for part in piece)
                open_n.subtract(id(part.message) for part in group)
                todo.extend(reversed(pieces))
            else:
                open_n.subtract(id(part.message) for part in group)
                self._confirm([p.message for p in group if open_n[id(p.message)] == 0], done)

    def _make_way(self, group: Sequence[Part], error: DeadLetterFull) -> list[Sequence[Part]]:
        """The dead letter is full: what adds to it is parked, the others go on."""
        if len(group) == 1:
            self._park(group[0], error)
            return []
        if not any(part.letters for part in group):  # conflicts, which only storing finds out
            middle = len(group) // 2
            return [group[middle:], group[:middle]]
        alone: list[Sequence[Part]] = [[part] for part in group if part.letters]
        others = [part for part in group if not part.letters]
        # Taken from the end: the others first, then each of the poisoned ones on its own.
        return [*reversed(alone), others] if others else [*reversed(alone)]

    def _without(self, group: Sequence[Part], error: LedgerFull) -> list[Sequence[Part]]:
        """The ledger of some nodes is full: each of their parts alone, the others go on."""
        if len(group) == 1:
            self._refuse(group[0], error)
            return []
        alone: list[Sequence[Part]] = [[part] for part in group if part.node_id in error.node_ids]
        others = [part for part in group if part.node_id not in error.node_ids]
        return [*reversed(alone), others] if others else [*reversed(alone)]

    def _refuse(self, part: Part, error: Exception) -> None:
        """Take a message off the broker and leave it to its node, which gets no acknowledgement.

        Parked, it would cost everybody the same time again every few seconds.
        """
        reason = str(error).strip()
        log.error("a message of %s is left to its spool: %s", part.node_id, reason)
        self._metrics.refused.inc()
        self._acknowledge([part.message])
        try:
            if self._conn is None:
                self._conn = self._connect()
            registry.count_refused(self._conn, part.node_id, _printable(reason))
        except psycopg.Error as problem:
            log.warning("couldn't note that %s was refused: %s", part.node_id, problem)
            self._disconnect()

    def _acknowledge(self, messages: Sequence[Message]) -> None:
        """PUBACK, once a message: a second one for the same packet id may meet its successor."""
        first = [m for m in dict.fromkeys(messages) if not m.settled]
        for message in first:
            message.settled = True
        self._receiver.acknowledge(first)
        self._metrics.settled.inc(len(first))

    def _store_patiently(self, group: Sequence[Part]) -> Stored:
        """Store `group`, however long the database is away.

        Raises:
            psycopg.errors.QueryCanceled: It took too long, time and again.
            Unforeseen: Something else went wrong; it is in the log.
        """
        backoff_s = BACKOFF_FIRST_S
        cancelled_n = 0
        while True:
            started_s = time.perf_counter()
            try:
                done = self._store_once(group)
            except (*DATA_ERRORS, DeadLetterFull, LedgerFull):
                raise
            except psycopg.Error as error:
                self._metrics.failures.inc()
                log.warning(
                    "storing failed, trying again in %.1f s: %s: %s",
                    backoff_s,
                    type(error).__name__,
                    str(error).strip(),
                )
                self._disconnect()
                cancelled_n += isinstance(error, psycopg.errors.QueryCanceled)
                if cancelled_n == CANCELLED_MAX:
                    raise
                if self._stop.wait(backoff_s):
                    raise Stopping from error
                backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)
                continue
            except Exception as error:
                # Our own mistake, met by some record. Ending here would be a crash at every start,
                # for everybody; the connection may be in any state.
                self._metrics.failures.inc()
                log.exception("storing failed in a way that nobody foresaw; cutting the batch")
                self._disconnect()
                if self._stop.wait(BACKOFF_FIRST_S):
                    raise Stopping from error
                raise Unforeseen(f"{type(error).__name__}: {error}") from error
            self._metrics.commit_s.observe(time.perf_counter() - started_s)
            return done

    def _store_once(self, group: Sequence[Part]) -> Stored:
        if self._conn is None:
            self._conn = self._connect()
            self._metrics.connects.labels("database").inc()
        return store(
            self._conn,
            group,
            dead_letter_max_rows=self._limits.dead_letter_max_rows,
            by_certificate=True,
        )

    def _confirm(self, messages: Sequence[Message], done: Stored) -> None:
        """After COMMIT: PUBACK, then tell every node up to where nothing is missing."""
        self._acknowledge(messages)
        for key, seq in done.complete_to.items():
            self._tell(key, seq)
        rows_n = 0
        for (stream, outcome), n in done.records.items():
            self._metrics.records.labels(stream, outcome).inc(n)
            rows_n += n
        self._metrics.batch_rows.observe(rows_n)
        self._metrics.unknown.inc(done.unknown)
        if messages:
            oldest_ms = min(message.received_ms for message in messages)
            self._metrics.lag_s.observe(max(0.0, time.time() - oldest_ms / 1000))

    def _tell(self, key: LedgerKey, seq: int) -> None:
        payload = encode(Ack(v=1, spool=key.spool, seq=seq))
        self._receiver.publish(topics.ack(key.node_id, key.stream), payload)

    def _park(self, part: Part, error: Exception) -> None:
        """Keep a message unacknowledged, to be tried again."""
        log.error("a message of %s is not acknowledged: %s", part.node_id, error)
        # Half of what the broker sends ahead may be stuck; beyond that the rest would stop too.
        # The node then still gets no end-to-end acknowledgement, and keeps its records.
        if len(self._parked) >= self._limits.batch_messages:
            self._acknowledge([part.message])
            return
        self._parked.append(part)
        self._parked_tried_s = time.monotonic()
        self._metrics.parked.set(len(self._parked))

    def _retry_parked(self) -> None:
        if not self._parked or time.monotonic() - self._parked_tried_s < PARKED_RETRY_S:
            return
        self._parked_tried_s = time.monotonic()
        parked, self._parked = self._parked, []
        self._metrics.parked.set(0)
        # Pieces of one message together: it is acknowledged when all of them are in.
        pieces: dict[int, list[Part]] = {}
        for part in filter(lambda p: self._receiver.is_current(p.message), parked):
            pieces.setdefault(id(part.message), []).append(part)
        for group in pieces.values():
            self._store_all(group)

    def _disconnect(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None


def cut(group: Sequence[Part], error: Exception) -> list[Sequence[Part]]:
    """Smaller pieces of `group`, down to one record, which then goes to the dead letter.

    Empty when there is nothing left to cut: not even the letter can be written.
    """
    if len(group) > 1:
        middle = len(group) // 2
        return [group[:middle], group[middle:]]
    part = group[0]
    reason = f"database refused it: {type(error).__name__}: {str(error).strip()}"
    if isinstance(part, RecordsPart):
        if len(part.records) > 1:
            return [[half] for half in part.halves()]
        if part.records:
            return [[part.with_records([], [*part.letters, _letter(part, reason)])]]
        return []
    if part.letters:
        return []
    letter = Letter(
        topic=part.message.topic,
        payload=part.message.payload,
        reason=_printable(reason),
        received_ms=part.message.received_ms,
        node_id=part.node_id,
    )
    return [[Part(message=part.message, node_id=part.node_id, letters=[letter])]]


def _letter(part: RecordsPart, reason: str) -> Letter:
    (record,) = part.records
    return Letter(
        topic=part.message.topic,
        payload=encode(record),
        reason=_printable(reason),
        received_ms=part.message.received_ms,
        node_id=part.node_id,
        spool=part.key.spool,
        stream=part.key.stream,
        boot=part.boot,
        rev=part.rev,
        sens_db=part.sens_db,
        first=record.seq,
        last=record.seq,
    )


def _printable(reason: str) -> str:
    # PostgreSQL quotes the offending value; it can't store NUL itself.
    return reason.replace("\0", "\\0")[:1000]
