"""What Grafana makes of a query before PostgreSQL sees it, so that it can be run without Grafana.

Written after Grafana's PostgreSQL data source (pkg/tsdb/grafana-postgresql-datasource/macros.go and
sqleng) and its browser side, in their order: variables; intervals; comments; macros. What Grafana
would refuse is refused here: an unknown macro, or parentheses inside a macro's argument.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

# A macro's arguments end at the first closing parenthesis, whatever they hold.
_MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\[\[(\w+)\]\]|\$(?!__)(\w+)")
_COMMENT = re.compile(r"('(?:[^']|'')*')|--[^\n]*|/\*.*?\*/", re.DOTALL)
_DURATION = re.compile(r"^(\d+)(ms|s|m|h|d|w)$")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

# Grafana's RoundInterval: up to this many ms, a bucket of that many.
_ROUNDING_MS = [
    (1_500, 1_000), (3_500, 2_000), (7_500, 5_000), (12_500, 10_000), (17_500, 15_000),
    (25_000, 20_000), (45_000, 30_000), (90_000, 60_000), (210_000, 120_000), (450_000, 300_000),
    (750_000, 600_000), (1_050_000, 900_000), (1_500_000, 1_200_000), (2_700_000, 1_800_000),
    (5_400_000, 3_600_000), (9_000_000, 7_200_000), (16_200_000, 10_800_000),
    (32_400_000, 21_600_000), (86_400_000, 43_200_000), (604_800_000, 86_400_000),
    (1_814_400_000, 604_800_000), (3_628_800_000, 2_592_000_000),
]  # fmt: skip
_A_YEAR_MS = 31_536_000_000


class MacroError(ValueError):
    """Grafana would refuse this query, or send PostgreSQL something broken."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a panel asks for: the time shown, and how long a bucket is."""

    from_t: datetime
    to_t: datetime
    interval_ms: int

    @classmethod
    def of_panel(
        cls, from_t: datetime, to_t: datetime, *, max_points: int, min_interval: str
    ) -> "Request":
        """With the bucket that Grafana chooses for a panel's width and its least interval."""
        wanted_ms = (to_t - from_t).total_seconds() * 1000 / max_points
        rounded = next((ms for upto, ms in _ROUNDING_MS if wanted_ms <= upto), _A_YEAR_MS)
        least_ms = round(duration_s(min_interval) * 1000)
        return cls(from_t=from_t, to_t=to_t, interval_ms=max(rounded, least_ms))


def expand(sql: str, request: Request, variables: Mapping[str, str]) -> str:
    """The SQL that PostgreSQL would get, TimescaleDB being switched on in the data source.

    Args:
        variables: Values of single-choice variables; a quote in one is doubled, as Grafana does.

    Raises:
        MacroError: for an unknown macro or variable, or an argument that Grafana can't parse.
    """
    sql = _VARIABLE.sub(lambda found: _variable(found, variables), sql)
    sql = sql.replace("$__interval_ms", str(request.interval_ms))
    sql = sql.replace("$__interval", interval_text(request.interval_ms))
    sql = _COMMENT.sub(lambda found: found[1] or "", sql)
    return _MACRO.sub(lambda found: _macro(found, request), sql)


def fill_of(sql: str) -> str | None:
    """The fill argument of the query's time group, such as `NULL`; None without one."""
    for name, arguments in _MACRO.findall(sql):
        parts = [part.strip() for part in arguments.split(",")]
        if name.startswith("__timeGroup") and len(parts) == 3:
            return str(parts[2])
    return None


def interval_text(interval_ms: int) -> str:
    """As Go writes it: in the largest unit, the rest cut off (90 min is `1h`)."""
    for unit, length_ms in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if interval_ms >= length_ms:
            return f"{interval_ms // length_ms}{unit}"
    return f"{interval_ms}ms"


def duration_s(text: str) -> float:
    """Seconds of a Go-like duration; months and years are refused, since they depend on today."""
    match = _DURATION.match(text.strip().strip("'"))
    if match is None:
        raise MacroError(f"interval {text!r} is not a number with ms, s, m, h, d or w")
    return int(match[1]) * _SECONDS[match[2]]


def _variable(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name = found[1] or found[3] or found[4]
    if name.startswith("__"):
        raise MacroError(f"{found[0]} is filled in by the browser only; use a macro")
    if name not in variables:
        raise MacroError(f"variable {name} of {found[0]} is not defined")
    return variables[name].replace("'", "''")


def _macro(found: re.Match[str], request: Request) -> str:
    name, arguments = found[1], [part.strip() for part in found[2].split(",")]
    if "(" in found[2]:
        raise MacroError(f"{found[0]}: no parentheses inside a macro's arguments")
    if name not in _MACROS:
        raise MacroError(f"unknown macro {found[0]}")
    return _MACROS[name](arguments, request)


def _instant(t: datetime) -> str:
    return f"'{t.astimezone(UTC).isoformat().replace('+00:00', 'Z')}'"


def _time_filter(arguments: list[str], request: Request) -> str:
    return f"{arguments[0]} BETWEEN {_instant(request.from_t)} AND {_instant(request.to_t)}"


def _time_group(arguments: list[str], _request: Request) -> str:
    if len(arguments) not in (2, 3):
        raise MacroError(f"time group needs a column and an interval, got {arguments}")
    return f"time_bucket('{duration_s(arguments[1]):.3f}s',{arguments[0]})"


_MACROS: dict[str, Callable[[list[str], Request], str]] = {
    "__time": lambda arguments, _: f'{arguments[0]} AS "time"',
    "__timeFilter": _time_filter,
    "__timeFrom": lambda _, request: _instant(request.from_t),
    "__timeTo": lambda _, request: _instant(request.to_t),
    "__timeGroup": _time_group,
    "__timeGroupAlias": lambda arguments, r: f'{_time_group(arguments, r)} AS "time"',
}
