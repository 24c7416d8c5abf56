"""Messages to decoded batches, while the writer stores the batch before.

A thread of its own: PostgreSQL works for half of the writer's time, and Python can decode then. One
batch waits at most, so memory stays bounded by three of them.
"""

import logging
import queue
import threading
import time

from server.ingest.decode import decode_message
from server.ingest.inbound import Message, Part, RecordsPart
from server.ingest.limits import Limits
from server.ingest.metrics import Metrics
from server.ingest.receive import Receiver

log = logging.getLogger(__name__)

IDLE_S = 0.5


class Gatherer:
    """Batches of what a receiver brings; a context manager.

    Args:
        stop: Set from outside; the batch at hand is handed over first.
    """

    def __init__(
        self, receiver: Receiver, limits: Limits, metrics: Metrics, stop: threading.Event
    ) -> None:
        self._receiver = receiver
        self._limits = limits
        self._metrics = metrics
        self._stop = stop
        self._batches: queue.Queue[list[Part] | Exception] = queue.Queue(maxsize=1)
        self._thread = threading.Thread(target=self._run, name="ingest-gather", daemon=True)

    def __enter__(self) -> "Gatherer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def take(self, timeout_s: float) -> list[Part]:
        """The next batch; empty when none came in time.

        Raises:
            Exception: Whatever ended the thread: without it nothing would ever come again.
        """
        try:
            found = self._batches.get(timeout=timeout_s)
        except queue.Empty:
            return []
        if isinstance(found, Exception):
            raise found
        return found

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                parts = self._gather()
                if parts:
                    self._hand_over(parts)
        except Exception as error:  # noqa: BLE001 - handed on whole
            # The thread's outermost frame; the writer's thread will say it and end.
            self._hand_over(error)

    def _hand_over(self, found: list[Part] | Exception) -> None:
        while not self._stop.is_set():
            try:
                self._batches.put(found, timeout=IDLE_S)
            except queue.Full:
                continue
            return

    def _gather(self) -> list[Part]:
        """Messages until the batch is full or has waited long enough; empty when none came."""
        message = self._receiver.take(IDLE_S)
        deadline_s = time.monotonic() + self._limits.linger_s
        parts: list[Part] = []
        rows = messages = 0
        while message is not None:
            messages += 1
            part = self._decode(message)
            if part is not None:
                parts.append(part)
                rows += len(part.records) if isinstance(part, RecordsPart) else 1
            if rows >= self._limits.batch_rows or messages >= self._limits.batch_messages:
                break
            message = self._receiver.take(deadline_s - time.monotonic())
        return parts

    def _decode(self, message: Message) -> Part | None:
        part = decode_message(message)
        if part is None:
            log.warning("dropped a message on %r, which is no topic of a node", message.topic)
            self._metrics.messages.labels("foreign").inc()
            self._receiver.acknowledge([message])
            return None
        self._metrics.messages.labels(message.topic.rpartition("/")[2]).inc()
        return part
