"""When the host's own servers will do, and what is said when they won't."""

from pathlib import Path

import pytest

from provisioning.localstack import packages
from provisioning.localstack.errors import HostTooOld
from provisioning.localstack.packages import Packages, host_packages


def _host(root: Path, *, postgres: int, timescale: bool = True, mosquitto: str = "2.0.21") -> Path:
    library = root / f"usr/lib/postgresql/{postgres}/lib"
    library.mkdir(parents=True)
    (library.parent / "bin").mkdir()
    (library.parent / "bin/postgres").touch()
    if timescale:
        (library / "timescaledb.so").touch()
    broker = root / "usr/sbin/mosquitto"
    broker.parent.mkdir()
    broker.write_text(f"#!/bin/sh\necho 'mosquitto version {mosquitto}'\nexit 3\n")
    broker.chmod(0o755)
    return root


def test_a_new_enough_host_is_used(tmp_path: Path) -> None:
    found = host_packages(_host(tmp_path, postgres=18, mosquitto="2.1.2"))
    assert isinstance(found, Packages)
    assert found.postgres_bin == Path("/usr/lib/postgresql/18/bin")


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ({"postgres": 15}, "host has PostgreSQL 15, the stack needs 17"),
        ({"postgres": 17, "timescale": False}, "host has PostgreSQL 17 without TimescaleDB"),
        (
            {"postgres": 17, "mosquitto": "2.0.11"},
            "host has Mosquitto 2.0.11, the stack needs 2.0.21",
        ),
    ],
)
def test_what_an_old_host_lacks_is_said(tmp_path: Path, host: dict[str, object], says: str) -> None:
    found = host_packages(_host(tmp_path, **host))  # type: ignore[arg-type]
    assert isinstance(found, str)
    assert found.startswith(says)


def test_an_empty_host_has_no_postgres(tmp_path: Path) -> None:
    assert host_packages(tmp_path) == "host has no PostgreSQL under /usr/lib/postgresql"


def test_asking_for_a_host_that_will_not_do_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packages, "host_packages", lambda: "host has no Mosquitto")
    with pytest.raises(HostTooOld, match="host has no Mosquitto; leave the choice to the stack"):
        packages.locate("host", print)
