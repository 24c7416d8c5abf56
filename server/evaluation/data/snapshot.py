"""What an evaluation stands on: hourly sums of each site, and what is known about them.

A snapshot goes into the bundle as CSV and comes back digit for digit, so the numbers of a re-run
are the numbers of the run.
"""

from datetime import datetime

import msgspec

from server.evaluation.linear import Array


class SiteHours(msgspec.Struct, kw_only=True, eq=False):
    """One site's hours on one grid; NaN where nothing was measured, never 0.

    All (hours,): `crossings` over `crossings_s` observed seconds, `lux_s` in lx s over
    `lux_valid_s`, `energy` in s x 10^(dB/10) over `noise_s`.
    """

    site: str
    name: str
    tz: str
    latitude: float
    longitude: float
    crossings: Array
    crossings_s: Array
    lux_s: Array
    lux_valid_s: Array
    energy: Array
    noise_s: Array


SERIES = ("crossings", "crossings_s", "lux_s", "lux_valid_s", "energy", "noise_s")


class Break(msgspec.Struct, frozen=True, kw_only=True):
    """A moment at which a site's measuring became another one."""

    site: str
    node: str
    stream: str
    at: datetime
    what: str


class Validated(msgspec.Struct, frozen=True, kw_only=True):
    """A manual tally beside the counter: in which light, and how far off it was."""

    site: str
    node: str
    line: str
    lux_band: str | None
    manual: int
    counted: int
    at: datetime


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """An imported incident in an arm's area."""

    at: datetime
    arm: str
    category: str
    site: str | None = None


class SurveyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One person's answer to one question, before or after, in one arm's area."""

    wave: str
    arm: str
    question: str
    answer: int
    weight: float = 1.0


class Snapshot(msgspec.Struct, kw_only=True, eq=False):
    """`hour` (hours,) are UTC seconds, one grid for all sites; `taken_at` is when it was read."""

    hour: Array
    sites: list[SiteHours]
    breaks: list[Break] = []
    validated: list[Validated] = []
    incidents: list[Incident] = []
    answers: list[SurveyAnswer] = []
    notes: list[str] = []
    simulated: bool = False
    taken_at: datetime | None = None

    def site(self, site: str) -> SiteHours:
        """One of them by its id."""
        return next(found for found in self.sites if found.site == site)
