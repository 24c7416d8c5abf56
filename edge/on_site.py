"""What people at the pole, and systemd, do with a running node: pins, walk tests, commands' events.

The agent calls `turn` once a second; the button and commands come from other threads.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from contract.streams import Stream
from edge.clock import Clock
from edge.feeds.footfall import FootfallFeed
from edge.handover import Handover
from edge.node_pins import NodePins
from edge.sensor_states import SensorStates
from edge.service_manager import ServiceManager
from edge.settings import Settings
from edge.spool import Spool
from edge.spool_answers import SpoolUnwritable
from edge.stream_worker import StreamWorker
from edge.uplink import Uplink
from edge.walk_test import WalkTest

log = logging.getLogger(__name__)

# A stream that did nothing for this long hangs: longer than the counter's own bound of 40 s and
# the longest wait between two attempts.
STUCK_S = 120.0


class OnSite:
    """Everything at the pole that isn't measuring.

    Args:
        workers: The streams at work, by stream; the agent replaces them as it is configured anew.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        state_dir: Path,
        spool: Spool,
        uplink: Uplink,
        workers: Mapping[Stream, StreamWorker],
    ) -> None:
        self._spool = spool
        self._uplink = uplink
        self._workers = workers
        self._pins = NodePins(settings, clock)
        self._handover = Handover(state_dir)
        self._manager = ServiceManager()
        self._walk_test = WalkTest(clock, uplink.publish_walk_test, spool.event)
        for worker in workers.values():
            self.lend_walk_test(worker)

    def lend_walk_test(self, worker: StreamWorker) -> None:
        """Let a walk test take the reports of the counter, if this is it."""
        if isinstance(worker.feed, FootfallFeed):
            worker.feed.walk_test = self._walk_test

    def open(self, states: SensorStates) -> None:
        """Take the pins and tell systemd that the node is ready."""
        self._pins.open(states, self._spool.event, self._button_held)
        self._manager.ready()

    def turn(self, states: SensorStates) -> None:
        """Do what is due."""
        self._walk_test.tick()
        self._take_in()
        self._pins.show(states, walk_test=self._walk_test.active)
        self._say_alive()

    def end(self) -> None:
        """The node is about to end."""
        self._manager.stopping()
        if self._walk_test.active:
            self._walk_test.end()

    def close(self) -> None:
        """Let the pins go."""
        self._pins.close()

    def pir_share(self) -> float | None:
        """Share of the time since the last call with movement; None without the sensor."""
        return self._pins.pir_share()

    def walk(self, end: bool) -> str | None:
        """Begin or end a walk test by command; return why not."""
        if end:
            return self._walk_test.end("command")
        if Stream.FOOTFALL not in self._workers:
            return "this node counts nobody: no camera is set up"
        return self._walk_test.begin("command")

    def _button_held(self) -> None:
        """The service button begins a walk test, or ends the one that runs."""
        if self._walk_test.active:
            self._walk_test.end("button")
        elif Stream.FOOTFALL in self._workers:
            self._walk_test.begin("button")
        else:
            log.warning("button held, but there is no camera to test")

    def _take_in(self) -> None:
        """Spool what a command beside this process has left."""
        try:
            if self._handover.take(self._spool):
                self._uplink.wake()
        except SpoolUnwritable as error:
            log.error("%s", error)

    def _say_alive(self) -> None:
        """Feed the watchdog while every stream's thread moves."""
        stuck = [w.name for w in self._workers.values() if w.silent_s > STUCK_S]
        if stuck:
            log.error("%s did nothing for %.0f s; the watchdog is not fed", stuck, STUCK_S)
        else:
            self._manager.alive()
