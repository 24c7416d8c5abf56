"""What comes down: configuration and commands, decoded, checked and handed to the agent."""

import logging
from collections import deque
from typing import Protocol

from contract import topics
from contract.errors import DecodeError
from contract.messages import Command, Config, decode_command, decode_config
from edge.clock import Clock

log = logging.getLogger(__name__)

# Nonces of commands already done: the broker may deliver one twice.
REMEMBERED = 64


class DownHandler(Protocol):
    """Who acts on what comes down; each answers by an event."""

    def configure(self, config: Config) -> None:
        """Apply or refuse a configuration."""

    def check(self, command: Command) -> None:
        """Run a check."""

    def walk_test(self, command: Command) -> None:
        """Begin a walk test."""

    def carry_nonce(self, command: Command) -> None:
        """Put the nonce into the next batch of every stream."""

    def refuse(self, command: Command, why: str) -> None:
        """Answer that a command was not carried out."""


class Downlink:
    """Takes the messages of `down/config` and `down/command` for one node."""

    def __init__(self, node_id: str, clock: Clock, handler: DownHandler) -> None:
        self._config_topic = topics.config(node_id)
        self._command_topic = topics.command(node_id)
        self._clock = clock
        self._handler = handler
        self._done: deque[str] = deque(maxlen=REMEMBERED)

    def take(self, topic: str, payload: bytes) -> None:
        """Act on one message; what can't be read is logged and dropped, as it will never be."""
        try:
            if topic == self._config_topic:
                self._handler.configure(decode_config(payload))
            elif topic == self._command_topic:
                self._command(decode_command(payload))
            else:
                log.warning("nothing is known to do with topic %s", topic)
        except DecodeError as error:
            log.warning("%s can't be read: %s", topic, error)

    def _command(self, command: Command) -> None:
        if command.nonce in self._done:
            return
        self._done.append(command.nonce)
        why = self._cannot_run(command)
        if why:
            log.warning("command %s refused: %s", command.command, why)
            self._handler.refuse(command, why)
        elif command.command == "nonce":
            self._handler.carry_nonce(command)
        elif command.command == "check":
            self._handler.check(command)
        else:
            self._handler.walk_test(command)

    def _cannot_run(self, command: Command) -> str | None:
        if not self._clock.synced():
            return "the node's clock is not in sync, so nobody can tell whether this has expired"
        late_s = self._clock.utc_s() - command.expires / 1000
        return f"expired {late_s:.0f} s ago" if late_s > 0 else None
