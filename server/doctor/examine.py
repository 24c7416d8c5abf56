"""All checks in the order of the data's way; one that fails doesn't keep the others back."""

from collections.abc import Callable, Iterator

import psycopg

from server.db.connect import connect
from server.doctor import broker, certificates, database, intake, machine
from server.doctor.finding import Finding, State, failed, skipped
from server.settings import Settings, SettingsError

Check = Callable[[psycopg.Connection], Finding | list[Finding]]


def examine(values: Settings) -> Iterator[Finding]:
    """Each finding as soon as it is there."""
    yield broker.check_broker(values)
    yield from certificates.check_certificates(values)
    yield from _of_database(values)
    yield machine.check_disk(values)
    yield machine.check_clock()


def worst(findings: list[Finding]) -> State:
    """The state of the whole."""
    for state in (State.FAILED, State.WARN):
        if any(finding.state is state for finding in findings):
            return state
    return State.OK


def _of_database(values: Settings) -> Iterator[Finding]:
    try:
        conn = connect(values.dsn(), name="msl doctor", autocommit=True)
    except SettingsError as error:
        yield failed("database", str(error), "fix the setting")
        yield from intake.all_skipped("no database")
        return
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        yield failed("database", said, "start PostgreSQL; see msl settings for database_dsn")
        yield from intake.all_skipped("no database")
        return
    with conn:
        edition = database.check_edition(conn)
        yield edition
        checks = _checks(values)
        migrations = None
        for name, check in checks.items():
            if migrations is not None and migrations.state is State.FAILED:
                yield skipped(name, "the tables are not those of this software")
                continue
            for finding in _asked(conn, name, check):
                migrations = finding if name == "migrations" else migrations
                yield finding


def _checks(values: Settings) -> dict[str, Check]:
    return {
        "migrations": database.check_migrations,
        "rollups": database.check_worker,
        "ingest": intake.check_lag,
        "gaps": intake.check_gaps,
        "held": intake.check_held,
        "dead letters": lambda conn: intake.check_dead_letters(conn, values),
        "unknown nodes": intake.check_unknown,
        "refused nodes": intake.check_refused,
        "clock": machine.check_database_clock,
    }


def _asked(conn: psycopg.Connection, name: str, check: Check) -> list[Finding]:
    try:
        found = check(conn)
    except psycopg.errors.InsufficientPrivilege as error:
        return [failed(name, str(error).strip(), "ask as msl_api or msl_worker")]
    except psycopg.errors.UndefinedTable:
        return [failed(name, "its tables are not there", "msl migrate")]
    except psycopg.Error as error:
        return [failed(name, " ".join(str(error).split()), "look at the database's log")]
    return found if isinstance(found, list) else [found]
