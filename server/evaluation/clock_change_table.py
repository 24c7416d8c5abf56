"""Hourly counts from a CSV, and the clock changes in them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import numpy as np

from server.evaluation.clock_change import Brighter, ClockEvent, clock_event
from server.evaluation.errors import BadRequest, BadTable
from server.evaluation.linear import Array
from server.evaluation.table import Table

_EPOCH = date(1970, 1, 1)


class Change(msgspec.Struct, frozen=True):
    """A clock change and the side on which the evening hour is bright: after it in spring."""

    day: date
    brighter: Brighter


class HourlyCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Local days since 1970, local hours, counts (NaN: not observed), each (n,)."""

    day: Array
    hour: Array
    count: Array


def hourly_from_table(
    table: Table, *, time: str, count: str, hour: str | None = None
) -> HourlyCounts:  # fmt: skip
    """Hours from a column of local times (2026-03-29 18:00), or of dates with one of hours beside.

    Rows of several sensors at one hour simply stand beside each other.
    """
    days, hours = [], []
    for line, cell in zip(table.lines, table.labels(time), strict=True):
        try:
            moment = datetime.fromisoformat(cell)
        except ValueError:
            raise BadTable(
                f"{table.path.name} line {line}: column {time} is {cell!r}, not a local time like"
                " 2026-03-29 18:00"
            ) from None
        days.append(float((moment.date() - _EPOCH).days))
        hours.append(float(moment.hour))
    counts = table.numbers_or_nan(count)
    if np.nanmin(counts, initial=0.0) < 0:
        raise BadTable(f"{table.path.name}: column {count} has counts below 0")
    given = np.array(hours) if hour is None else table.numbers(hour)
    if np.any((given < 0) | (given > 23) | (given != np.rint(given))):
        raise BadTable(f"{table.path.name}: column {hour} must hold hours from 0 to 23")
    return HourlyCounts(day=np.array(days), hour=given, count=counts)


def named_change(text: str) -> Change:
    """DATE:spring or DATE:autumn."""
    day, _, season = text.partition(":")
    sides: dict[str, Brighter] = {"spring": "after", "autumn": "before", "fall": "before"}
    try:
        return Change(date.fromisoformat(day), sides[season])
    except (ValueError, KeyError):
        raise BadRequest(
            f"--change {text!r}: give a date and spring or autumn, as in 2026-03-29:spring"
        ) from None


def changes_in(zone: str, hourly: HourlyCounts, *, days: int) -> list[Change]:
    """Changes of a time zone that the counts reach on both sides by half of `days` at least."""
    try:
        info = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise BadRequest(f"--zone {zone!r}: no such time zone; give one like Europe/Rome") from None
    first = _EPOCH + timedelta(days=int(hourly.day.min()) + days // 2)
    last = _EPOCH + timedelta(days=int(hourly.day.max()) - days // 2)
    found = []
    for i in range((last - first).days + 1):
        day = first + timedelta(days=i)
        moved = _offset(info, day + timedelta(days=1)) - _offset(info, day)
        if moved:
            found.append(Change(day, "after" if moved > timedelta(0) else "before"))
    return found


def _offset(info: ZoneInfo, day: date) -> timedelta:
    """Distance from UTC as the day begins."""
    begins = datetime(day.year, day.month, day.day, tzinfo=info)
    return begins.replace(tzinfo=None) - begins.astimezone(UTC).replace(tzinfo=None)


def event_at(
    hourly: HourlyCounts, change: Change, *, case_hour: int, control_hours: list[int], days: int
) -> ClockEvent:  # fmt: skip
    """The four sums around one change."""
    try:
        return clock_event(
            hourly.day - (change.day - _EPOCH).days, hourly.hour, hourly.count,
            case_hour=case_hour, control_hours=control_hours, brighter=change.brighter, days=days,
        )  # fmt: skip
    except BadRequest as error:
        raise BadRequest(f"change of {change.day}: {error}") from None
