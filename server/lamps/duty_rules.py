"""In which order faults are done: points that a city can set, with their reasons beside them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
import psycopg
from msgspec import Meta
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from server.lighting.episodes import Kind

_Points = Annotated[float, Meta(ge=0, le=10_000)]
_SECTION = {Kind.FEEDER}
_DARK = {Kind.LAMP_FAILURE, Kind.FEEDER}


class DutyRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Points of a fault's kind, of its place's class, of dark neighbours and of each day open.

    Defaults: a dark section before a dark lamp before what only burns money, as councils' service
    levels have it (a section the same day, a lamp within three days).
    """

    points_by_kind: dict[Kind, _Points] = msgspec.field(
        default_factory=lambda: {
            Kind.FEEDER: 60.0,
            Kind.LAMP_FAILURE: 30.0,
            Kind.CYCLING: 20.0,
            Kind.SWITCHING_LATE: 15.0,
            Kind.LEVEL_LOW: 10.0,
            Kind.UNEXPECTED_ON: 10.0,
            Kind.SWITCHING_EARLY: 5.0,
        }
    )
    points_by_class: dict[str, _Points] = msgspec.field(
        default_factory=lambda: {
            "C0": 30.0, "C1": 30.0, "C2": 25.0, "C3": 20.0, "C4": 15.0, "C5": 15.0,
            "P1": 20.0, "P2": 15.0, "P3": 10.0, "P4": 5.0,
        }
    )  # fmt: skip
    adjacent_from: Annotated[int, Meta(ge=2, le=1000)] = 3
    """So many lamps of one feeder dark at once add `adjacent_points` to each."""
    adjacent_points: _Points = 30.0
    points_per_day: _Points = 5.0
    days_counted: Annotated[float, Meta(ge=0, le=3650)] = 14.0
    repair_within_days: Annotated[float, Meta(gt=0, le=3650)] = 3.0
    """Open for longer is late."""


class Reason(msgspec.Struct, frozen=True):
    """Why there are points."""

    points: float
    why: str


def rules_of(conn: psycopg.Connection, lab_id: str) -> DutyRules:
    """The lab's rules, or the defaults."""
    row = (
        conn.cursor(row_factory=dict_row)
        .execute("SELECT * FROM duty_rules WHERE lab_id = %s", [lab_id])
        .fetchone()
    )
    if row is None:
        return DutyRules()
    del row["lab_id"]
    return msgspec.convert(row, DutyRules)


def set_rules(conn: psycopg.Connection, lab_id: str, rules: DutyRules) -> None:
    """Let a lab's order be this one from now on; call within `changing`."""
    values: dict[str, Any] = {
        "lab_id": lab_id,
        "points_by_kind": Jsonb({str(k): v for k, v in rules.points_by_kind.items()}),
        "points_by_class": Jsonb(rules.points_by_class),
    }
    plain = ("adjacent_from", "adjacent_points", "points_per_day", "days_counted",
             "repair_within_days")  # fmt: skip
    values |= {name: getattr(rules, name) for name in plain}
    conn.execute(
        "INSERT INTO duty_rules (lab_id, points_by_kind, points_by_class, adjacent_from,"
        " adjacent_points, points_per_day, days_counted, repair_within_days)"
        " VALUES (%(lab_id)s, %(points_by_kind)s, %(points_by_class)s, %(adjacent_from)s,"
        " %(adjacent_points)s, %(points_per_day)s, %(days_counted)s, %(repair_within_days)s)"
        " ON CONFLICT (lab_id) DO UPDATE SET points_by_kind = excluded.points_by_kind,"
        " points_by_class = excluded.points_by_class, adjacent_from = excluded.adjacent_from,"
        " adjacent_points = excluded.adjacent_points, points_per_day = excluded.points_per_day,"
        " days_counted = excluded.days_counted, repair_within_days = excluded.repair_within_days",
        values,
    )


def reasons(
    rules: DutyRules, episode: Mapping[str, Any], dark_n: int, at: datetime
) -> list[Reason]:
    """Why an open episode has its place in the list.

    Args:
        episode: With kind, class and from_t.
        dark_n: Lamps of its feeder that are dark now, itself included.
    """
    kind = Kind(episode["kind"])
    found = [Reason(rules.points_by_kind.get(kind, 0.0), f"kind {kind}")]
    lighting_class = episode["class"]
    if lighting_class is None:
        found.append(Reason(0.0, "no lighting class registered"))
    else:
        points = rules.points_by_class.get(lighting_class, 0.0)
        found.append(Reason(points, f"class {lighting_class}"))
    if kind in _DARK and dark_n >= rules.adjacent_from:
        found.append(Reason(rules.adjacent_points, f"{dark_n} lamps of its feeder dark"))
    days = max((at - episode["from_t"]).total_seconds() / 86_400, 0)
    found.append(Reason(min(days, rules.days_counted) * rules.points_per_day, _days_open(days)))
    return found


def is_urgent(rules: DutyRules, kind: str, dark_n: int) -> bool:
    """Whether it may be said at night: a section, or as many lamps as the rules call one."""
    return Kind(kind) in _SECTION or (Kind(kind) in _DARK and dark_n >= rules.adjacent_from)


def _days_open(days: float) -> str:
    return f"open {days * 24:.0f} h" if days < 2 else f"open {days:.0f} days"
