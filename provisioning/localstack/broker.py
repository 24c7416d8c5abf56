"""The stack's Mosquitto: mutual TLS on loopback, with the product's own generated configuration."""

import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path

from provisioning.localstack import ports
from provisioning.localstack.child import Child
from provisioning.localstack.sandbox import Sandbox
from provisioning.mosquitto.acl import render_acl
from provisioning.mosquitto.config import BrokerSettings, render_config

_USER = "mosquitto"
_READY_TIMEOUT_S = 15
_STOP_TIMEOUT_S = 10


@dataclass(frozen=True, kw_only=True)
class BrokerTls:
    """The broker's certificates: whom it trusts, and what it shows. Made by the caller.

    `crl_file` lists certificates that are revoked; the broker reads it at its start.
    """

    ca_file: Path
    cert_file: Path
    key_file: Path
    crl_file: Path | None = None


@dataclass(kw_only=True)
class Broker:
    """A broker under `folder`. `wanted_port` None means: choose a free one."""

    sandbox: Sandbox
    folder: Path
    lock_fd: int
    tls: BrokerTls
    persistence: bool = False
    wanted_port: int | None = None
    port: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._child = Child(
            name="mosquitto",
            sandbox=self.sandbox,
            user=_USER,
            folder=self.folder,
            log=self.folder.parent / "mosquitto.log",
            lock_fd=self.lock_fd,
        )

    @property
    def ca_file(self) -> Path:
        """What a client checks the broker's certificate against."""
        return self.tls.ca_file

    @property
    def running(self) -> bool:
        """Whether the broker's process is there."""
        return self._child.running

    @property
    def pid(self) -> int:
        """Process id of the broker as the host sees it."""
        return self._child.pid

    @property
    def log(self) -> Path:
        """What the broker printed."""
        return self._child.log

    def start(self) -> None:
        """Write the configuration, start the broker and wait until it accepts connections.

        Raises:
            PortTaken, ServerDied: with the last lines of the broker's log.
        """
        if self.port == 0:
            self.port = self.wanted_port or ports.free_port()
        ports.require_free(self.port, for_what="mosquitto")
        settings = BrokerSettings(
            port=self.port,
            address=ports.LOOPBACK,
            ca_file=self._own_copy(self.tls.ca_file, "ca.pem"),
            cert_file=self._own_copy(self.tls.cert_file, "server.pem"),
            key_file=self._own_copy(self.tls.key_file, "server.key"),
            acl_file=self.folder / "acl",
            crl_file=self.tls.crl_file and self._own_copy(self.tls.crl_file, "crl.pem"),
            persistence_dir=self.folder / "persistence" if self.persistence else None,
        )
        if settings.persistence_dir is not None:
            settings.persistence_dir.mkdir(exist_ok=True)
        _write_private(settings.acl_file, render_acl())
        _write_private(self._config, render_config(settings))
        self.sandbox.own(self.folder, user=_USER)
        self._child.start([self.sandbox.packages.mosquitto, "-c", self._config])
        self._child.wait_ready(lambda: ports.accepts(self.port), timeout_s=_READY_TIMEOUT_S)

    def stop(self) -> None:
        """End in order; with persistence, what is queued is on disk then."""
        self._child.stop(signal.SIGTERM, timeout_s=_STOP_TIMEOUT_S)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self._child.kill()

    @property
    def _config(self) -> Path:
        return self.folder / "mosquitto.conf"

    def _own_copy(self, source: Path, name: str) -> Path:
        """A copy in the broker's folder, the only one it sees; only its owner may read it."""
        target = self.folder / name
        target.unlink(missing_ok=True)
        target.touch(mode=0o600)
        shutil.copyfile(source, target)
        return target


def _write_private(path: Path, text: str) -> None:
    # Mosquitto warns of configuration that others may read, and will refuse it one day.
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
