"""The broker's health check in `docker-compose.yml`, word for word, against a real broker."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioning.mosquitto.acl import PROBE
from tests.provisioning.repository import ROOT

pytestmark = pytest.mark.mqtt


def _check() -> list[str]:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    words = compose["services"]["broker"]["healthcheck"]["test"]
    assert words[0] == "CMD"
    return [word.replace("$$", "$") for word in words[1:]]


def test_health_check_hears_the_broker_as_the_probe(
    broker: Any, client_certificate: Callable[[str], Any]
) -> None:
    probe = client_certificate(PROBE)
    files = {
        "ca_cert": broker.ca_file,
        "probe_cert": probe.certificate,
        "probe_key": probe.key,
    }
    words = _check()
    for name, source in files.items():
        copy: Path = broker.folder / name  # the one folder that programs of the root can see
        shutil.copyfile(source, copy)
        words = [word.replace(f"/run/secrets/{name}", str(copy)) for word in words]
    # Compose's names, here on loopback and a free port.
    words = ["127.0.0.1" if word == "broker" else word for word in words]
    words = [str(broker.port) if word == "8883" else word for word in words]
    command = broker.sandbox.command(words, user="mosquitto", writable=broker.folder)
    broker.sandbox.own(broker.folder, user="mosquitto")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "seconds" in done.stdout
