"""Delivery of one stream: what to publish next, and what silence or an acknowledgement means.

Pure bookkeeping over the spool; time comes in as seconds of a monotonic clock. Only the server's
end-to-end acknowledgement moves the watermark. A PUBACK moves nothing: brokers give it before they
have stored anything. Whatever stays unacknowledged is published again from the watermark on.
"""

import logging
import random
from collections import deque
from dataclasses import dataclass

from contract.limits import MAX_RECORDS_PER_BATCH
from contract.streams import Stream
from edge.spool import Spool
from edge.spool_answers import AckEffect, Slice

log = logging.getLogger(__name__)

# Batches of one stream on their way at once.
WINDOW = 4
# Times a batch must be passed over by a server that acknowledges others before it is split, and
# a single record before it is set aside.
BLAMES_TO_SPLIT = 2
BLAMES_TO_QUARANTINE = 3
# ... and for how long: after an outage a server may work through minutes of old batches, and its
# answers to those say nothing about a new one. Setting aside is final, so it can wait.
QUARANTINE_AFTER_S = 900.0
# From this silent timeout on batches are halved, and doubled again with each acknowledgement: if
# one of them is what the server can't take, its answer to another will show it, and a server that
# was down comes back to little at first.
SILENCES_TO_HALVE = 2


@dataclass(slots=True)
class Sent:
    """A batch on its way."""

    mid: int
    first: int
    last: int
    sent_s: float
    nonce: str | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """A nonce that the next batch carries, until a batch with it is acknowledged or it expires."""

    nonce: str
    expires_utc_s: float


class Delivery:
    """One stream's way from the spool to the server.

    Args:
        ack_timeout_s: Wait for the first acknowledgement; doubles with each silence.
        backoff_max_s: Longest wait.
        window: Batches on their way at once.
        quarantine_after_s: How long a record must have been passed over before it is set aside.
    """

    def __init__(
        self,
        stream: Stream,
        spool: Spool,
        *,
        ack_timeout_s: float = 20,
        backoff_max_s: float = 120,
        window: int = WINDOW,
        quarantine_after_s: float = QUARANTINE_AFTER_S,
        rng: random.Random | None = None,
    ) -> None:
        self.stream = stream
        self._spool = spool
        self._ack_timeout_s = ack_timeout_s
        self._backoff_max_s = backoff_max_s
        self._window = window
        self._quarantine_after_s = quarantine_after_s
        self._rng = rng or random.Random()
        self._nonces: deque[Pending] = deque(maxlen=8)
        self.resent_n = 0
        self._reset()

    def _reset(self) -> None:
        self._spool_id = self._spool.id
        self._cursor = self._spool.watermark(self.stream)
        self._flying: deque[Sent] = deque()
        self._hold_until_s = 0.0
        self._silences = 0
        self._blames = 0
        self._passed_over = False
        self._batch_max = MAX_RECORDS_PER_BATCH
        # Up to this `seq` batches stay split, to so many records.
        self._split_through = 0
        self._split_max = MAX_RECORDS_PER_BATCH
        # The lowest `seq` on its way, and since when.
        self._head: tuple[int, float] = (0, 0.0)
        self._draw_timeout()

    def next_batch(self, now_s: float, max_bytes: int) -> Slice | None:
        """The batch to publish now, or None while there is nothing to send or it must wait."""
        self._follow_spool()
        if now_s < self._hold_until_s or len(self._flying) >= self._window:
            return None
        limit = self._batch_max
        if self._cursor < self._split_through:
            limit = min(limit, self._split_max, self._split_through - self._cursor)
        return self._spool.read(
            self.stream, self._cursor, max_records=max(1, limit), max_bytes=max_bytes
        )

    def nonce(self, now_utc_s: float) -> str | None:
        """The nonce that the next batch should carry."""
        while self._nonces and self._nonces[0].expires_utc_s < now_utc_s:
            self._nonces.popleft()
        return self._nonces[0].nonce if self._nonces else None

    def carry(self, nonce: str, expires_utc_s: float) -> None:
        """Put `nonce` into the batches to come, until one of them is acknowledged."""
        if all(pending.nonce != nonce for pending in self._nonces):
            self._nonces.append(Pending(nonce, expires_utc_s))

    def published(self, batch: Slice, mid: int, now_s: float, nonce: str | None = None) -> None:
        """`batch` went to the broker as packet `mid`."""
        self._cursor = batch.last
        self._flying.append(Sent(mid, batch.first, batch.last, now_s, nonce))
        self._note_head()
        self._spool.sent(self.stream, batch.last)

    def refused(self, mid: int, now_s: float) -> None:
        """The broker answered that it has no subscriber for packet `mid`, or refused it."""
        if any(sent.mid == mid for sent in self._flying):
            self._silences += 1
            self._hold_until_s = now_s + self._wait_s(self._ack_timeout_s / 4)
            self._go_back()

    def hold(self, until_s: float) -> None:
        """Publish nothing before `until_s`."""
        self._hold_until_s = until_s

    def connection_lost(self) -> None:
        """What was on its way may be lost with the broker: begin again at the watermark."""
        self._go_back()
        self._hold_until_s = 0.0

    def acknowledged(self, spool_id: str, seq: int, now_s: float) -> AckEffect:
        """The server says that it has everything up to `seq` of `spool_id`."""
        effect = self._spool.ack(spool_id, self.stream, seq)
        if effect is AckEffect.MOVED:
            self._progress()
        elif effect is AckEffect.REPEATED and self._flying:
            # An answer to a later batch that leaves out the first one, although nothing below is
            # missing, is the only evidence against it: silence may just be a server that is down.
            head = self._flying[0]
            if seq == head.first - 1 and now_s > head.sent_s:
                self._passed_over = True
                # The server is there, though it may be busy: no long waits, but no haste either.
                self._silences = min(self._silences, 1)
                self._draw_timeout()
        return effect

    def check(self, now_s: float) -> None:
        """Begin again at the watermark when the oldest batch waited too long for its ack."""
        self._follow_spool()
        if not self._flying:
            return
        waited_s = now_s - self._flying[0].sent_s
        if waited_s < self._timeout_s:
            return
        if self._passed_over:
            self._blame(now_s)
        else:
            self._silence()
        self._go_back()

    def _follow_spool(self) -> None:
        """Forget what was on its way when the spool was set aside: the new one counts anew."""
        if self._spool.id != self._spool_id:
            self._reset()

    def _progress(self) -> None:
        done = self._spool.watermark(self.stream)
        while self._flying and self._flying[0].last <= done:
            sent = self._flying.popleft()
            if sent.nonce and self._nonces and self._nonces[0].nonce == sent.nonce:
                self._nonces.popleft()
        self._cursor = max(self._cursor, done)
        self._silences = 0
        self._blames = 0
        self._passed_over = False
        self._batch_max = min(MAX_RECORDS_PER_BATCH, 2 * self._batch_max)
        self._draw_timeout()
        self._note_head()

    def _note_head(self) -> None:
        """Remember since when the lowest record on its way has been."""
        if self._flying and self._flying[0].first != self._head[0]:
            self._head = (self._flying[0].first, self._flying[0].sent_s)

    def _silence(self) -> None:
        self._silences += 1
        self._draw_timeout()
        head = self._flying[0]
        if self._silences >= SILENCES_TO_HALVE:
            self._batch_max = (head.last - head.first + 2) // 2
        log.info("%s %d to %d unacknowledged, sending again", self.stream, head.first, head.last)

    def _blame(self, now_s: float) -> None:
        head = self._flying[0]
        size = head.last - head.first + 1
        self._blames += 1
        waited = now_s - self._head[1] >= self._quarantine_after_s
        if size == 1 and self._blames >= BLAMES_TO_QUARANTINE and waited:
            reason = f"never acknowledged in {self._blames} tries while later records were"
            log.error("%s %d set aside: %s", self.stream, head.first, reason)
            self._spool.quarantine(self.stream, head.first, reason)
            self._blames = 0
        elif size > 1 and self._blames >= BLAMES_TO_SPLIT:
            log.warning("%s %d to %d split in halves", self.stream, head.first, head.last)
            self._split_through = head.last
            self._split_max = (size + 1) // 2
            self._blames = 0

    def _go_back(self) -> None:
        self.resent_n += len(self._flying)
        self._flying.clear()
        self._cursor = self._spool.watermark(self.stream)
        self._passed_over = False

    def _draw_timeout(self) -> None:
        self._timeout_s = self._wait_s(self._ack_timeout_s)

    def _wait_s(self, base_s: float) -> float:
        """`base_s` doubled with each silence, spread so that nodes don't come back in step."""
        grown_s = base_s * 2.0 ** min(self._silences, 16)
        return min(self._backoff_max_s, grown_s) * self._rng.uniform(0.8, 1.2)
