"""The hours as they must be: plain Python over raw rows and the registry, sharing no SQL."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import dict_row

Row = dict[str, Any]
Hours = dict[tuple[Any, ...], Row]
FOREVER = datetime.max.replace(tzinfo=UTC)


class Registry:
    """What the registry and the flag table say now."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self.deployments = rows(conn, "deployment")
        self.zones = {s["site_id"]: ZoneInfo(s["tz"]) for s in rows(conn, "site")}
        self.calibrations = [c for c in rows(conn, "calibration") if c["revoked_at"] is None]
        self.exclusions = [e for e in rows(conn, "exclusion") if e["revoked_at"] is None]
        self.barred = sum(1 << f["bit"] for f in rows(conn, "flag") if not f["rollup"])

    def deployment(self, record: Row) -> Row | None:
        for d in self.deployments:
            at_site = d["from_t"] <= record["t"] < (d["to_t"] or FOREVER)
            if d["node_id"] == record["node_id"] and at_site:
                return d
        return None

    def calibration(self, record: Row, quantity: str, line: str | None = None) -> Row | None:
        fitting = [
            c for c in self.calibrations
            if (c["node_id"], c["quantity"]) == (record["node_id"], quantity)
            and c["from_t"] <= record["t"] and c["line"] in (None, line)
        ]  # fmt: skip
        return max(fitting, key=lambda c: (c["from_t"], c["line"] is not None), default=None)

    def excluded(self, record: Row, stream: str, site: str | None) -> bool:
        end = record["t"] + timedelta(seconds=record["dur_s"])
        return any(
            (e["node_id"] == record["node_id"] or (site is not None and e["site_id"] == site))
            and (e["stream"] == stream or e["stream"] is None)
            and record["t"] < e["to_t"] and end > e["from_t"]
            for e in self.exclusions
        )  # fmt: skip

    def key(self, record: Row, stream: str) -> tuple[Any, ...]:
        """Node, hour, deployment, excluded, local day."""
        found = self.deployment(record)
        site = found["site_id"] if found else None
        zone = self.zones[site] if site else UTC
        return (
            record["node_id"],
            record["t"].replace(minute=0, second=0, microsecond=0),
            found["deployment_id"] if found else None,
            self.excluded(record, stream, site),
            record["t"].astimezone(zone).date(),
        )


def rows(conn: psycopg.Connection, table: str) -> list[Row]:
    return conn.cursor(row_factory=dict_row).execute(f"SELECT * FROM {table}").fetchall()


def total(values: Iterable[float | None]) -> float | None:
    """Sum of what is there; None when nothing is."""
    known = [v for v in values if v is not None]
    return math.fsum(known) if known else None


def common(records: list[Row]) -> Row:
    flags = 0
    for record in records:
        flags |= record["flags"]
    return {
        "n": len(records),
        "valid_s": math.fsum(r["valid_s"] for r in records),
        "dur_s": math.fsum(r["dur_s"] for r in records),
        "flags": flags,
    }


def grouped(
    conn: psycopg.Connection, table: str, key: Callable[[Registry, Row], tuple[Any, ...]]
) -> tuple[Registry, dict[tuple[Any, ...], list[Row]]]:
    registry = Registry(conn)
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for record in rows(conn, table):
        if not record["flags"] & registry.barred:
            groups[key(registry, record)].append(record)
    return registry, groups


def _id(calibration: Row | None) -> int | None:
    return calibration["calibration_id"] if calibration else None


def light(conn: psycopg.Connection) -> Hours:
    registry, groups = grouped(
        conn, "light_raw", lambda g, r: (*g.key(r, "light"), _id(g.calibration(r, "light")))
    )
    hours = {}
    for key, records in groups.items():
        c = registry.calibration(records[0], "light") or {"gain": 1, "offset": 0}
        corrected = [
            c["gain"] * r["lux_p50"] + c["offset"] for r in records if r["lux_p50"] is not None
        ]
        lux_s = total(
            None
            if r["lux_p50"] is None
            else (c["gain"] * r["lux_p50"] + c["offset"]) * r["valid_s"]
            for r in records
        )
        classes: dict[int, int] = defaultdict(int)
        for r in records:
            if r["lux_p50"] is not None:
                lux = max(r["lux_p50"], 1e-9)
                classes[max(math.floor(8 * math.log10(lux)), -16)] += round(r["valid_s"] * 1000)
        valid_s = math.fsum(r["valid_s"] for r in records)
        hours[key] = common(records) | {
            "lux_s": lux_s,
            "lux_mean": None if lux_s is None else lux_s / valid_s,
            "lux_min": min(corrected, default=None),
            "lux_max": max(corrected, default=None),
            "lux_class": sorted(classes) or None,
            "lux_class_ms": [classes[k] for k in sorted(classes)] or None,
        }
    return hours


def noise(conn: psycopg.Connection) -> Hours:
    registry, groups = grouped(
        conn, "noise_raw", lambda g, r: (*g.key(r, "noise"), _id(g.calibration(r, "noise")))
    )
    hours = {}
    for key, records in groups.items():
        offset = (registry.calibration(records[0], "noise") or {"offset": 0})["offset"]
        heard = [r for r in records if r["laeq"] is not None]
        valid_s = math.fsum(r["valid_s"] for r in records)
        energy = total(r["valid_s"] * 10 ** ((r["laeq"] + offset) / 10) for r in heard)
        classes: dict[int, int] = defaultdict(int)
        for r in records:
            for k, n in zip(r["laf_class"], r["laf_n"], strict=True):
                classes[k] += n
        hours[key] = common(records) | {
            "laeq_energy": energy,
            "laeq": None if energy is None else 10 * math.log10(energy / valid_s),
            "lafmax": max((r["lafmax"] + offset for r in heard), default=None),
            "lafmin": min((r["lafmin"] + offset for r in heard), default=None),
            "la10": exceeded(classes, 0.1, offset),
            "la90": exceeded(classes, 0.9, offset),
            "laf_class": sorted(classes) or None,
            "laf_n": [classes[k] for k in sorted(classes)] or None,
        }
    return hours


def exceeded(classes: dict[int, int], share: float, offset: float) -> float | None:
    """Walk down from the loudest class until `share` of the samples has been seen."""
    wanted = share * sum(classes.values())
    for k in sorted(classes, reverse=True):
        if wanted <= classes[k]:
            return (k + 1 - wanted / classes[k]) / 2 + offset
        wanted -= classes[k]
    return None


def footfall(conn: psycopg.Connection) -> Hours:
    _, groups = grouped(conn, "footfall_raw", lambda g, r: g.key(r, "footfall"))
    return {
        key: common(records)
        | {
            "occupancy_s": total(
                None if r["occupancy"] is None else r["occupancy"] * r["valid_s"] for r in records
            ),
            "occupancy_valid_s": math.fsum(
                r["valid_s"] for r in records if r["occupancy"] is not None
            ),
        }
        for key, records in groups.items()
    }


def footfall_line(conn: psycopg.Connection) -> Hours:
    registry = Registry(conn)
    whose = {(r["t"], r["node_id"], r["spool"], r["seq"]): r for r in rows(conn, "footfall_raw")}
    groups: dict[tuple[Any, ...], list[tuple[Row, Row]]] = defaultdict(list)
    for line in rows(conn, "footfall_line_raw"):
        record = whose[(line["t"], line["node_id"], line["spool"], line["seq"])]
        if not record["flags"] & registry.barred:
            calibration = registry.calibration(record, "footfall", line["line"])
            key = (*registry.key(record, "footfall"), _id(calibration), line["line"])
            groups[key].append((record, line))
    hours = {}
    for key, pairs in groups.items():
        gains = {c["calibration_id"]: c["gain"] for c in registry.calibrations}
        gain = gains.get(key[5], 1)
        counts = {way: total(line[way] for _, line in pairs) for way in ("a_to_b", "b_to_a")}
        hours[key] = common([record for record, _ in pairs]) | {
            way: None if n is None else n * gain for way, n in counts.items()
        }
    return hours


def health(conn: psycopg.Connection) -> Hours:
    _, groups = grouped(conn, "health_raw", lambda g, r: g.key(r, "health"))
    return {
        key: common(records)
        | {"cpu_c_max": max((r["cpu_c"] for r in records if r["cpu_c"] is not None), default=None)}
        for key, records in groups.items()
    }


KEYS = ("node_id", "hour", "deployment_id", "excluded", "local_day")
VIEWS: dict[str, tuple[tuple[str, ...], Callable[[psycopg.Connection], Hours]]] = {
    "light_1h": ((*KEYS, "calibration_id"), light),
    "noise_1h": ((*KEYS, "calibration_id"), noise),
    "footfall_1h": (KEYS, footfall),
    "footfall_line_1h": ((*KEYS, "calibration_id", "line"), footfall_line),
    "health_1h": (KEYS, health),
}


def assert_views_are_recomputed(conn: psycopg.Connection) -> None:
    """Every view holds exactly the hours that raw and registry give, with the same numbers."""
    for view, (keys, recompute) in VIEWS.items():
        expected = recompute(conn)
        seen = rows(conn, view)
        found = {tuple(row[k] for k in keys): row for row in seen}
        assert len(found) == len(seen), f"{view} has a key twice"
        assert found.keys() == expected.keys(), f"{view} has other hours"
        for key, values in expected.items():
            for name, value in values.items():
                assert _alike(found[key][name], value), (view, key, name, found[key][name], value)


def _alike(seen: Any, expected: Any) -> bool:
    if seen is None or expected is None or isinstance(expected, list):
        return bool(seen == expected)
    return math.isclose(seen, expected, rel_tol=1e-9, abs_tol=1e-9)
