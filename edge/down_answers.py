"""The agent's answers to what comes down: every configuration and command gets its event."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from contract.events import CheckResult, ConfigApplied
from contract.fields import as_text
from contract.messages import Command, Config
from edge.clock import Clock
from edge.config_store import ConfigStore, merged
from edge.errors import SettingsError
from edge.sensor_states import OK, SensorStates
from edge.sensors.footfall.geometry import Geometry
from edge.spool import Spool

log = logging.getLogger(__name__)


@dataclass
class DownAnswers:
    """Called on the uplink's thread.

    Args:
        apply: Takes a stored configuration; the agent acts on it in its own time.
        carry: Takes (nonce, expiry in UTC s) for the next batch of every stream.
        walk: Begins a walk test, or ends it (True); returns why not.
    """

    spool: Spool
    clock: Clock
    states: SensorStates
    store: ConfigStore
    apply: Callable[[Config], None]
    carry: Callable[[str, float], None]
    walk: Callable[[bool], str | None]

    def configure(self, config: Config) -> None:
        """Store and apply a configuration, or refuse it whole with the reason."""
        try:
            if config.geometry is not None:
                Geometry.from_config(config.geometry)
            whole = merged(self.store.load(), config)
            self.store.save(whole)
        except (SettingsError, OSError) as error:
            log.warning("configuration %d refused: %s", config.config_rev, error)
            self.spool.event(
                ConfigApplied(config_rev=config.config_rev, ok=False, detail=as_text(str(error)))
            )
            return
        self.apply(whole)

    def check(self, command: Command) -> None:
        """Answer how one sensor (or `clock`, `spool`) is doing."""
        what = command.check or "clock"
        if what == "clock":
            ok = self.clock.synced()
            detail = None if ok else "the clock is not in sync"
        else:
            state, reason = self.states.state_of(what)
            ok, detail = state == OK, None if state == OK else f"{state}: {reason or 'no reason'}"
        self._answer(command, what, ok=ok, detail=detail)

    def walk_test(self, command: Command) -> None:
        """Begin a walk test; with `check` "end", end the one that runs."""
        why_not = self.walk(command.check == "end")
        self._answer(command, "walk_test", ok=why_not is None, detail=why_not)

    def carry_nonce(self, command: Command) -> None:
        """Put the nonce into the batches to come."""
        self.carry(command.nonce, command.expires / 1000)

    def refuse(self, command: Command, why: str) -> None:
        """Say that a command was not carried out."""
        self._answer(command, command.check or command.command, ok=False, detail=why)

    def _answer(self, command: Command, what: str, *, ok: bool, detail: str | None) -> None:
        self.spool.event(
            CheckResult(
                check=what, ok=ok, nonce=command.nonce, detail=as_text(detail) if detail else None
            )
        )
