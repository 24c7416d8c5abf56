"""When something may be said: not in the quiet hours of its site, unless it is urgent."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from server.notify.channels import Quiet


def sayable_at(at: datetime, quiet: Quiet | None, zone: ZoneInfo, *, urgent: bool) -> datetime:
    """`at`, or the end of the quiet hours that it falls into, on the site's own clock."""
    if quiet is None or urgent or quiet.begin == quiet.to:
        return at
    local = at.astimezone(zone)
    clock = local.time()
    over_midnight = quiet.begin > quiet.to
    if over_midnight:
        silent = clock >= quiet.begin or clock < quiet.to
    else:
        silent = quiet.begin <= clock < quiet.to
    if not silent:
        return at
    day = local.date() + timedelta(days=over_midnight and clock >= quiet.begin)
    return datetime.combine(day, quiet.to, zone).astimezone(UTC)
