"""A made-up pilot in the hourly rollups: sites with seasons, weekdays, weather and a known effect.

Written straight into the kept rollups, as the worker leaves them; every node is marked simulated.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import psycopg

from server.evaluation.data.darkness import dark_and_light, local_parts
from server.evaluation.data.snapshot import SiteHours, Snapshot, Validated
from server.evaluation.linear import Array
from server.evaluation.plan.canonical import Arms, Intervention
from server.evaluation.plan.plan import Plan, Span, Variant

TZ = "Europe/Berlin"
LINE = "gate"
BANDS = ("3-10 lx", "10-30 lx")


class MadePilot(msgspec.Struct, frozen=True, kw_only=True):
    """How many sites of each arm, over which days, and what the intervention does to them.

    `effect` multiplies crossings after dark at treated sites from `at` on, `day_effect` those by
    day; `lux_after` is the treated sites' light after dark then (5 lx before, and elsewhere).
    """

    treated: int = 8
    control: int = 12
    buffer: int = 0
    first: date = date(2024, 7, 1)
    last: date = date(2026, 6, 29)
    at: date = date(2025, 7, 7)
    effect: float = 1.2
    day_effect: float = 1.0
    lux_after: float = 8.0
    spread: float = 0.05
    per_hour: float = 60.0
    missing: float = 0.02
    seed: int = 1
    validated: bool = True

    def sites(self) -> Iterator[tuple[str, str]]:
        """(site, arm), in order."""
        for arm in ("treated", "control", "buffer"):
            for k in range(1, getattr(self, arm) + 1):
                yield f"{arm}-{k:02d}", arm


def made_snapshot(pilot: MadePilot) -> Snapshot:
    """The pilot's hours as an evaluation reads them, without a database."""
    rng = np.random.default_rng(pilot.seed)
    zone = ZoneInfo(TZ)
    begin, end = (
        datetime.combine(day, datetime.min.time(), zone).timestamp()
        for day in (pilot.first, pilot.last)
    )
    hour = np.arange(begin, end, 3600.0)
    shared = _city(hour, rng)
    sites = [
        _site(pilot, number, site, arm, hour, shared, rng)
        for number, (site, arm) in enumerate(pilot.sites(), start=1)
    ]
    validated = [
        Validated(
            site=site.site, node="node", line=LINE, lux_band=band, manual=98, counted=96,
            at=datetime.fromtimestamp(begin, UTC),
        )
        for site in sites for band in BANDS if pilot.validated
    ]  # fmt: skip
    return Snapshot(hour=hour, sites=sites, validated=validated, simulated=True)


def made_intervention(pilot: MadePilot, intervention_id: str = "led-2025") -> Intervention:
    """The intervention that goes with it."""
    arms: dict[str, list[str]] = {"treated": [], "control": [], "buffer": []}
    for site, arm in pilot.sites():
        arms[arm].append(site)
    return Intervention(
        intervention_id=intervention_id, lab_id="nord", title="New lamps", kind="lighting",
        arms=Arms(**arms),
    )  # fmt: skip


def made_plan(pilot: MadePilot, **changes: Any) -> Plan:
    """A plan that asks what the pilot was made to answer: all weeks before, all after."""
    plan = Plan(
        intervention="led-2025", primary="footfall_dark", secondary=["laeq_dark"],
        before=Span(begin=pilot.first, end=pilot.at - timedelta(days=7)),
        installation=Span(begin=pilot.at - timedelta(days=7), end=pilot.at),
        after=Span(begin=pilot.at, end=pilot.last), expected_effect=0.2,
        variant=[Variant(name="twelve weeks on each side", before_weeks=12, after_weeks=12),
                 Variant(name="night against day", outcome="footfall_night_share")],
    )  # fmt: skip
    return msgspec.structs.replace(plan, **changes)


def write_pilot(conn: psycopg.Connection, pilot: MadePilot, intervention: str = "led-2025") -> None:
    """Registry, intervention and rollups; the connection is the owner's or a superuser's."""
    snapshot = made_snapshot(pilot)
    zone = ZoneInfo(TZ)
    begin = datetime.fromtimestamp(float(snapshot.hour[0]), UTC)
    _register(conn, pilot, intervention, begin, zone)
    for number, site in enumerate(snapshot.sites, start=1):
        _copy_site(conn, f"node-{number:02d}", site, snapshot.hour)


def _register(
    conn: psycopg.Connection, pilot: MadePilot, intervention: str, begin: datetime, zone: ZoneInfo
) -> None:
    conn.execute(
        "INSERT INTO lab (lab_id, name) VALUES ('nord', 'Lab Nord') ON CONFLICT DO NOTHING"
    )
    work = datetime.combine(pilot.at - timedelta(days=7), datetime.min.time(), zone)
    conn.execute(
        "INSERT INTO intervention (intervention_id, lab_id, title, kind, from_t, to_t)"
        " VALUES (%s, 'nord', 'New lamps in eight streets', 'lighting', %s, %s)",
        [intervention, work, work + timedelta(days=6)],
    )
    for number, (site, arm) in enumerate(pilot.sites(), start=1):
        name = f"{arm.title()} street {number}"
        conn.execute(
            "INSERT INTO site (site_id, lab_id, name, tz, latitude, longitude)"
            " VALUES (%s, 'nord', %s, %s, %s, %s)",
            [site, name, TZ, *_place(number)],
        )
        node = f"node-{number:02d}"
        conn.execute(
            "INSERT INTO node (node_id, lab_id, state, simulated, created_at)"
            " VALUES (%s, 'nord', 'commissioned', true, %s)",
            [node, begin - timedelta(days=30)],
        )
        conn.execute(
            "INSERT INTO deployment (node_id, site_id, from_t) VALUES (%s, %s, %s)",
            [node, site, begin - timedelta(days=30)],
        )
        conn.execute("INSERT INTO intervention_site VALUES (%s, %s, %s)", [intervention, site, arm])
        if pilot.validated:
            _validate(conn, node, begin)


def _validate(conn: psycopg.Connection, node: str, begin: datetime) -> None:
    for k, band in enumerate(BANDS):
        conn.execute(
            "INSERT INTO validation (node_id, line, from_t, to_t, manual_a_to_b, manual_b_to_a,"
            " counted_a_to_b, counted_b_to_a, lux_p50, lux_band, rev, geometry_rev, event)"
            " VALUES (%s, %s, %s, %s, 50, 48, 49, 47, 5, %s, '1', 1, %s)",
            [node, LINE, begin, begin + timedelta(minutes=15), band, f"{node}/x/{k}"],
        )


def _city(hour: Array, rng: np.random.Generator) -> Array:
    """What moves all sites alike: hour of day, weekday, year and a common weather."""
    day, clock = local_parts(hour, TZ)
    daily = 0.25 + np.exp(-(((clock - 17) / 4.5) ** 2)) + 0.4 * np.exp(-(((clock - 9) / 2.5) ** 2))
    weekday = np.where((day + 3) % 7 >= 5, 0.8, 1.0)
    season = 1 + 0.2 * np.cos(2 * np.pi * (day - 196) / 365.25)
    noise = rng.normal(0, 0.15, len(hour) // 24 + 2)
    weather = np.exp(noise[((day - day[0]) % len(noise)).astype(int)])
    return np.asarray(daily * weekday * season * weather)


def _site(
    pilot: MadePilot, number: int, site: str, arm: str, hour: Array, shared: Array,
    rng: np.random.Generator,
) -> SiteHours:  # fmt: skip
    """One site's three streams, a few hours missing."""
    latitude, longitude = _place(number)
    dark, light = dark_and_light(hour, latitude, longitude)
    day, clock = local_parts(hour, TZ)
    after = (day >= (pilot.at - date(1970, 1, 1)).days) & (arm == "treated")
    week = ((day - day[0]) // 7).astype(int)
    own = np.exp(np.cumsum(rng.normal(0, pilot.spread / 5, week.max() + 1)))[week]
    own *= np.exp(rng.normal(0, pilot.spread, week.max() + 1))[week]
    mean = pilot.per_hour * np.exp(rng.normal(0, 0.4)) * shared * own
    # Darkness keeps a few at home, so the clock change has its known sign.
    mean = mean * np.where(light, 1.0, 0.88)
    mean = np.where(after & dark, mean * pilot.effect, mean)
    mean = np.where(after & light, mean * pilot.day_effect, mean)
    crossings = rng.poisson(mean * rng.gamma(20, 1 / 20, len(hour))).astype(np.float64)
    lux = np.where(light, 3000.0, np.where(dark, np.where(after, pilot.lux_after, 5.0), 40.0))
    lux = lux * np.exp(rng.normal(0, 0.1, len(hour)))
    level = 52 + 6 * np.exp(-(((clock - 15) / 7) ** 2)) + rng.normal(0, 1.5, len(hour))
    seen = np.where(rng.random(len(hour)) >= pilot.missing, 3600.0, np.nan)
    here = np.isfinite(seen)
    return SiteHours(
        site=site, name=f"{arm.title()} street {number}", tz=TZ, latitude=latitude,
        longitude=longitude, crossings=np.where(here, crossings, np.nan), crossings_s=seen,
        lux_s=lux * seen, lux_valid_s=seen, energy=10 ** (level / 10) * seen, noise_s=seen,
    )  # fmt: skip


def _place(number: int) -> tuple[float, float]:
    return 52.5 + 0.004 * (number % 5), 13.4 + 0.006 * (number // 5)


_COMMON = "node_id, hour, deployment_id, excluded, local_day, n, valid_s, dur_s, flags"


def _copy_site(conn: psycopg.Connection, node: str, site: SiteHours, hour: Array) -> None:
    """As the rollup worker leaves it; flags 1024 is SIMULATED."""
    row = conn.execute("SELECT deployment_id FROM deployment WHERE node_id = %s", [node]).fetchone()
    assert row is not None
    here = np.flatnonzero(np.isfinite(site.crossings))
    moments = [datetime.fromtimestamp(t, UTC).isoformat() for t in hour[here]]
    first = date(1970, 1, 1)
    days = [first + timedelta(days=int(day)) for day in local_parts(hour[here], site.tz)[0]]
    stems = [
        f"{node}\t{t}\t{row[0]}\tf\t{day}\t4\t3600\t3600\t1024"
        for t, day in zip(moments, days, strict=True)
    ]
    crossings = site.crossings[here].astype(int)
    lux, energy = site.lux_s[here].tolist(), site.energy[here].tolist()
    for table, columns, values in (
        ("footfall_1h_kept", "occupancy_valid_s", ["0"] * len(here)),
        ("footfall_line_1h_kept", "line, a_to_b, b_to_a",
         [f"{LINE}\t{n // 2}\t{n - n // 2}" for n in crossings]),
        ("light_1h_kept", "lux_s", [repr(v) for v in lux]),
        ("noise_1h_kept", "laeq_energy, overload_n", [f"{v!r}\t0" for v in energy]),
    ):  # fmt: skip
        with conn.cursor().copy(f"COPY {table} ({_COMMON}, {columns}) FROM STDIN") as copy:
            lines = (f"{a}\t{b}" for a, b in zip(stems, values, strict=True))
            copy.write("\n".join(lines) + "\n")
