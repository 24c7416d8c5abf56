"""The time zone of a site, however its name got into the database."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

UTC_ZONE = ZoneInfo("UTC")


def site_zone(tz: str | None) -> ZoneInfo:
    """The zone named `tz`; UTC, which the page then shows, without a name or for an unknown one."""
    try:
        return ZoneInfo(tz) if tz else UTC_ZONE
    except (ZoneInfoNotFoundError, ValueError):
        return UTC_ZONE
