"""This machine: room on the database's disk, and whether its clock can be trusted."""

import ctypes
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg

from server.doctor.finding import Finding, failed, ok, skipped, warn
from server.settings import Settings

WARN_FREE_SHARE = 0.15
FAILED_FREE_SHARE = 0.05
# adjtimex(2): TIME_ERROR (5) means "not synchronised".
TIME_ERROR = 5
STA_NANO = 0x2000
# Records further ahead than ten minutes are held: a server a few seconds off does no harm yet.
OFFSET_WARN_S = 1.0


def check_disk(values: Settings) -> Finding:
    """Room where `data_dir` says that the database lies."""
    if values.data_dir is None:
        return skipped("disk", "data_dir is not set: the database's folder on this machine")
    folder = Path(values.data_dir)
    try:
        usage = psutil.disk_usage(str(folder))
    except OSError as error:
        return failed("disk", f"{folder}: {error.strerror}", "is it mounted? see data_dir")
    share = usage.free / usage.total
    detail = f"{folder}: {usage.free / 1e9:.1f} of {usage.total / 1e9:.0f} GB free ({share:.0%})"
    act = "make room, or keep raw data for fewer days (msl settings: retention_…)"
    if share < FAILED_FREE_SHARE:
        return failed("disk", detail, act)
    return warn("disk", detail, act) if share < WARN_FREE_SHARE else ok("disk", detail)


class _Timex(ctypes.Structure):
    """The head of `struct timex` on 64-bit Linux; the whole is 208 bytes."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 216),
    )


def _adjtimex(timex: _Timex) -> int:
    state: int = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    return state


def check_clock() -> Finding:
    """Whether the kernel's clock is disciplined, and how far it may be off."""
    timex = _Timex()
    state = _adjtimex(timex)
    if state < 0:
        return skipped("clock", "this system doesn't tell (adjtimex)")
    if state == TIME_ERROR:
        return warn(
            "clock", "the kernel's clock is not synchronised", "start chrony or systemd-timesyncd"
        )
    offset_ms = timex.offset / (1e6 if timex.status & STA_NANO else 1e3)
    return ok(
        "clock",
        f"synchronised, {offset_ms:+.3f} ms off its source,"
        f" at most {timex.maxerror / 1000:.0f} ms from the truth",
    )


def check_database_clock(conn: psycopg.Connection) -> Finding:
    """How far the database's clock is from this one; it dates what is received."""
    before = datetime.now(UTC)
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    after = datetime.now(UTC)
    assert row is not None
    offset_s = (row[0] - before - (after - before) / 2).total_seconds()
    detail = f"the database's is {offset_s * 1000:+.0f} ms from this one"
    if abs(offset_s) > OFFSET_WARN_S:
        return warn("clock", detail, "synchronise both machines")
    return ok("clock", detail)
