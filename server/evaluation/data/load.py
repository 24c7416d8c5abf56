"""A snapshot from the database: hourly rollups with calibrations applied, exclusions left out."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
from psycopg.rows import class_row, dict_row

from server.evaluation.data.snapshot import (
    SERIES,
    Break,
    Incident,
    SiteHours,
    Snapshot,
    SurveyAnswer,
    Validated,
)  # fmt: skip
from server.evaluation.errors import BadRequest
from server.evaluation.linear import Array
from server.evaluation.plan.canonical import Arms, Intervention
from server.evaluation.plan.plan import Plan
from server.registry import read

# Some days on each side, for clock changes near the edges of the plan's weeks.
_MARGIN = timedelta(days=2)

_BARRED = "k.flags & (SELECT coalesce(bit_or(1 << bit), 0) FROM flag WHERE NOT evaluation) = 0"
_LINES = f"""
SELECT k.node_id, k.line, k.hour, sum(k.a_to_b + k.b_to_a) AS crossings, sum(k.valid_s) AS valid_s
FROM footfall_line_1h AS k JOIN deployment AS d USING (deployment_id)
WHERE d.site_id = %(site)s AND NOT k.excluded AND k.hour >= %(from)s AND k.hour < %(to)s
  AND k.node_id <> ALL (%(without)s) AND k.a_to_b IS NOT NULL AND {_BARRED}
GROUP BY 1, 2, 3
"""  # noqa: S608 - the condition is our own
_LIGHT = f"""
SELECT k.hour, sum(k.lux_s), sum(k.valid_s)
FROM light_1h AS k JOIN deployment AS d USING (deployment_id)
WHERE d.site_id = %(site)s AND NOT k.excluded AND k.hour >= %(from)s AND k.hour < %(to)s
  AND k.node_id <> ALL (%(without)s) AND k.lux_s IS NOT NULL AND {_BARRED}
GROUP BY 1
"""  # noqa: S608
_NOISE = f"""
SELECT k.hour, sum(k.laeq_energy * power(10, coalesce(c."offset", 0) / 10)), sum(k.valid_s)
FROM noise_1h_now AS k JOIN deployment AS d USING (deployment_id)
LEFT JOIN calibration AS c ON c.calibration_id = k.calibration_id AND c.revoked_at IS NULL
WHERE d.site_id = %(site)s AND NOT k.excluded AND k.hour >= %(from)s AND k.hour < %(to)s
  AND k.node_id <> ALL (%(without)s) AND k.laeq_energy IS NOT NULL AND {_BARRED}
GROUP BY 1
"""  # noqa: S608
_STAYS = """
SELECT d.site_id, d.node_id, d.from_t, d.to_t, n.simulated
FROM deployment AS d JOIN node AS n USING (node_id)
WHERE d.site_id = ANY (%s) AND d.from_t < %s AND coalesce(d.to_t, 'infinity') > %s
ORDER BY d.site_id, d.node_id, d.from_t
"""
_CALIBRATIONS = """
SELECT node_id, quantity, coalesce(line, '') AS line, from_t, gain, "offset",
       coalesce(uncertainty, 0) AS uncertainty
FROM calibration WHERE revoked_at IS NULL AND node_id = ANY (%s) AND from_t < %s
ORDER BY node_id, quantity, line, from_t
"""
_COUNTERS = """
SELECT r.node_id, o.rev, r.geometry_rev, min(r.t) AS first_t
FROM footfall_raw AS r JOIN origin AS o USING (origin_id)
WHERE r.node_id = ANY (%s) AND r.t >= %s AND r.t < %s GROUP BY 1, 2, 3 ORDER BY 1, 4
"""
_ORIGINS = """
SELECT node_id, rev, sens_db, min(first_at) AS first_t FROM origin
WHERE node_id = ANY (%s) AND first_at < %s GROUP BY 1, 2, 3 ORDER BY 1, 4
"""
_VALIDATED = """
SELECT d.site_id AS site, v.node_id AS node, v.line, v.lux_band,
       v.manual_a_to_b + v.manual_b_to_a AS manual,
       v.counted_a_to_b + v.counted_b_to_a AS counted, v.from_t AS at
FROM validation AS v JOIN deployment AS d ON d.node_id = v.node_id AND v.from_t >= d.from_t
    AND v.from_t < coalesce(d.to_t, 'infinity')
WHERE v.revoked_at IS NULL AND d.site_id = ANY (%s) ORDER BY 1, 2, 3, 7
"""


def registered(conn: psycopg.Connection, intervention_id: str) -> Intervention:
    """The intervention with its arms; raises `NotFound`, or `BadRequest` without a treated site."""
    row = read.shown(conn, "intervention", intervention_id)
    arms = read.arms(conn, intervention_id)
    if not arms.get("treated"):
        raise BadRequest(
            f"intervention {intervention_id} has no treated site; msl intervention add --treated"
        )
    return Intervention(
        intervention_id=intervention_id, lab_id=row["lab_id"], title=row["title"], kind=row["kind"],
        from_t=row["from_t"], to_t=row["to_t"],
        arms=Arms(
            treated=arms["treated"], control=arms.get("control", []), buffer=arms.get("buffer", [])
        ),
    )  # fmt: skip


def load_snapshot(conn: psycopg.Connection, plan: Plan, intervention: Intervention) -> Snapshot:
    """Every hour of every site between the plan's first and last day, and what is known of them."""
    ids = [site for site in intervention.arms.sites if site not in plan.without_sites]
    rows = [read.shown(conn, "site", site) for site in ids]
    zones = [ZoneInfo(row["tz"]) for row in rows]
    begin = min(_midnight(plan.before.begin, zone) for zone in zones) - _MARGIN
    end = max(_midnight(plan.after.end, zone) for zone in zones) + _MARGIN
    hour = np.arange(_whole(begin), _whole(end), 3600.0)
    sites, notes = [], []
    for row in rows:
        site, said = _site(conn, plan, row, hour, begin, end)
        sites.append(site)
        notes += said
    stays = conn.cursor(row_factory=dict_row).execute(_STAYS, [ids, end, begin]).fetchall()
    return Snapshot(
        hour=hour, sites=sites, notes=notes,
        breaks=find_breaks(conn, stays, begin, end, plan.without_nodes),
        validated=conn.cursor(row_factory=class_row(Validated)).execute(
            _VALIDATED, [ids]
        ).fetchall(),
        incidents=_incidents(conn, intervention, begin, end),
        answers=_answers(conn, intervention),
        simulated=any(stay["simulated"] for stay in stays),
        taken_at=datetime.now(UTC),
    )  # fmt: skip


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _whole(t: datetime) -> float:
    return float(t.timestamp() // 3600 * 3600)


def _site(
    conn: psycopg.Connection, plan: Plan, row: read.Row, hour: Array, begin: datetime, end: datetime
) -> tuple[SiteHours, list[str]]:
    asked = {
        "site": row["site_id"], "from": begin, "to": end, "without": plan.without_nodes,
    }  # fmt: skip
    held = {name: np.full(len(hour), np.nan) for name in SERIES}
    for names, query in ((("lux_s", "lux_valid_s"), _LIGHT), (("energy", "noise_s"), _NOISE)):
        _fill(hour, [held[name] for name in names], conn.execute(query, asked).fetchall())
    lines: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
    for node, line, *values in conn.execute(_LINES, asked):
        if not plan.lines or line in plan.lines:
            lines.setdefault((node, line), []).append(tuple(values))
    notes = _crossings(row, hour, held, lines)
    known = {name: row[name] for name in ("name", "tz", "latitude", "longitude")}
    filled: dict[str, Any] = {**known, **held}
    return SiteHours(site=row["site_id"], **filled), notes


def _crossings(
    row: read.Row, hour: Array, held: dict[str, Array], lines: dict[Any, list[tuple[Any, ...]]]
) -> list[str]:
    """One line as it stands; a cordon's lines together in hours in which each was seen."""
    if not lines:
        return []
    together = row["cordon"] or _one_after_the_other(lines)
    if len(lines) > 1 and not together:
        names = ", ".join(f"{node} {line}" for node, line in sorted(lines))
        return [
            f"{row['site_id']} has several lines ({names}) and is no cordon: they can't be added;"
            " name one under lines = [...] in the plan"
        ]
    total = np.zeros((2, len(hour)))
    seen = np.zeros(len(hour), dtype=int)
    for rows in lines.values():
        one = np.full((2, len(hour)), np.nan)
        _fill(hour, [one[0], one[1]], rows)
        there = np.isfinite(one[0])
        total[:, there] += one[:, there]
        seen += there
    whole = seen >= (len(lines) if row["cordon"] else 1)
    held["crossings"][whole] = total[0, whole]
    held["crossings_s"][whole] = total[1, whole] / np.maximum(seen[whole], 1)
    return []


def _one_after_the_other(lines: dict[Any, list[tuple[Any, ...]]]) -> bool:
    """One line name, and never two of them in one hour: a node took another one's place."""
    hours = [values[0] for rows in lines.values() for values in rows]
    return len({line for _, line in lines}) == 1 and len(hours) == len(set(hours))


def _fill(hour: Array, into: list[Array], rows: list[tuple[Any, ...]]) -> None:
    if not rows:
        return
    at = np.array([row[0].timestamp() for row in rows])
    place = ((at - hour[0]) // 3600).astype(int)
    inside = (place >= 0) & (place < len(hour))
    for k, column in enumerate(into, start=1):
        values = np.array([row[k] for row in rows], dtype=np.float64)
        column[place[inside]] = values[inside]


def find_breaks(
    conn: psycopg.Connection, stays: list[read.Row], begin: datetime, end: datetime,
    without: list[str],
) -> list[Break]:  # fmt: skip
    """Moments inside the window from which on a site's numbers are another instrument's."""
    site_of = {s["node_id"]: s["site_id"] for s in stays if s["node_id"] not in without}
    nodes = sorted(site_of)
    found = [
        Break(site=stay["site_id"], node=stay["node_id"], stream="all", at=at, what=what)
        for stay in stays if stay["node_id"] in site_of
        for at, what in ((stay["from_t"], "node came"), (stay["to_t"], "node left"))
        if at is not None and begin < at < end
    ]  # fmt: skip
    dictionary = conn.cursor(row_factory=dict_row)
    found += _recalibrated(
        dictionary.execute(_CALIBRATIONS, [nodes, end]).fetchall(), site_of, begin
    )
    counters = dictionary.execute(_COUNTERS, [nodes, begin, end]).fetchall()
    found += _changed(counters, site_of, "footfall", ("rev", "geometry_rev"))
    origins = dictionary.execute(_ORIGINS, [nodes, end]).fetchall()
    for stream, names in (("light", ("rev",)), ("noise", ("rev", "sens_db"))):
        late = [b for b in _changed(origins, site_of, stream, names) if b.at > begin]
        found += late
    return sorted(found, key=lambda b: (b.site, b.at, b.stream, b.what))


def _recalibrated(rows: list[read.Row], site_of: dict[str, str], begin: datetime) -> list[Break]:
    """Corrections that moved by more than they claim to be good for."""
    found: list[Break] = []
    last: dict[tuple[str, str, str], read.Row] = {}
    for row in rows:
        key = (row["node_id"], row["quantity"], row["line"])
        was = last.get(key, {"gain": 1.0, "offset": 0.0})
        moved = max(abs(row["gain"] - was["gain"]), abs(row["offset"] - was["offset"]))
        last[key] = row
        if row["from_t"] > begin and moved > row["uncertainty"]:
            found.append(
                Break(
                    site=site_of[row["node_id"]], node=row["node_id"], stream=row["quantity"],
                    at=row["from_t"],
                    what=f"calibration from gain {was['gain']:g}, offset {was['offset']:g}"
                    f" to {row['gain']:g}, {row['offset']:g}",
                )
            )  # fmt: skip
    return found


def _changed(
    rows: list[read.Row], site_of: dict[str, str], stream: str, names: tuple[str, ...]
) -> list[Break]:
    found: list[Break] = []
    last: dict[str, tuple[Any, ...]] = {}
    for row in rows:
        node, now = row["node_id"], tuple(row[name] for name in names)
        if node in last and last[node] != now:
            was, words = last[node], {"rev": "software", "geometry_rev": "lines", "sens_db": "mic"}
            what = ", ".join(
                f"{words[name]} {a} to {b}"
                for name, a, b in zip(names, was, now, strict=True) if a != b
            )  # fmt: skip
            found.append(
                Break(site=site_of[node], node=node, stream=stream, at=row["first_t"], what=what)
            )
        last[node] = now
    return found


def _incidents(
    conn: psycopg.Connection, intervention: Intervention, begin: datetime, end: datetime
) -> list[Incident]:
    return conn.cursor(row_factory=class_row(Incident)).execute(
        "SELECT at, arm, category, site_id AS site FROM incident"
        " WHERE intervention_id = %s AND at >= %s AND at < %s ORDER BY at, incident_id",
        [intervention.intervention_id, begin, end],
    ).fetchall()  # fmt: skip


def _answers(conn: psycopg.Connection, intervention: Intervention) -> list[SurveyAnswer]:
    return conn.cursor(row_factory=class_row(SurveyAnswer)).execute(
        "SELECT wave, arm, question, answer, weight FROM survey_answer"
        " WHERE intervention_id = %s ORDER BY answer_id",
        [intervention.intervention_id],
    ).fetchall()  # fmt: skip
