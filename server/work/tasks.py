"""What the worker does, each at its own pace. A room adds its task to `tasks()`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from server.identity.ca import CredentialFiles
from server.identity.ca import load as load_credential
from server.identity.signing import keep_crl, sign_approved
from server.notify.channels import read_channels
from server.notify.outbox import notify
from server.settings import Settings
from server.work.release import release_corrected
from server.work.retention import retain
from server.work.rollup import roll_up

RETENTION_EVERY_S = 3600.0


@dataclass(frozen=True)
class Task:
    """One kind of work.

    Attributes:
        every_s: Seconds from one run's beginning to the next.
        run: Gets the worker's connection (autocommit) and returns how many things it did.
        on_wake: Also runs when somebody notifies `msl_work`.
    """

    name: str
    every_s: float
    run: Callable[[psycopg.Connection], int]
    on_wake: bool = False


def _identity(settings: Settings) -> Sequence[Task]:
    """Signing and the revocation list, where this worker has the issuing key."""
    if settings.issuing_cert_file is None or settings.issuing_key_file is None:
        return ()
    authority = load_credential(
        CredentialFiles(
            certificate=Path(settings.issuing_cert_file), key=Path(settings.issuing_key_file)
        )
    )
    every_s = settings.work_every_s
    sign = Task("sign", every_s, lambda conn: sign_approved(conn, authority), on_wake=True)
    if settings.crl_file is None:
        return (sign,)
    crl_file = Path(settings.crl_file)
    return sign, Task("crl", every_s, lambda c: keep_crl(c, authority, crl_file), on_wake=True)


def _notifier(settings: Settings) -> Sequence[Task]:
    """The one notifier, where somebody is to be told; a bad file is said at the start."""
    if settings.notify_file is None:
        return ()
    channels = read_channels(Path(settings.notify_file))

    def run(conn: psycopg.Connection) -> int:
        return notify(conn, channels, datetime.now(UTC))

    return (Task("notify", settings.work_every_s, run, on_wake=True),)


def tasks(settings: Settings) -> Sequence[Task]:
    """All tasks, in the order in which they run when several are due."""
    keep_days = {
        "light": settings.retention_light_days,
        "noise": settings.retention_noise_days,
        "footfall": settings.retention_footfall_days,
        "health": settings.retention_health_days,
        "event": settings.retention_event_days,
    }
    return (
        *_identity(settings),
        Task("release", settings.work_every_s, release_corrected, on_wake=True),
        Task(
            "rollup",
            settings.work_every_s,
            lambda conn: roll_up(conn, settings.work_batch_hours),
            on_wake=True,
        ),
        *_notifier(settings),
        Task("retention", RETENTION_EVERY_S, lambda conn: retain(conn, keep_days).chunks_n),
    )
