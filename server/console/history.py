"""The last hour of light and noise and the last hours of footfall, for the rows' sparklines.

One walk down the time-leading index over the newest chunk for all nodes together: 60 rows a node,
where a look-up per node would jump 500 times through the same pages.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from contract.streams import Stream
from server.api.fleet import Connection
from server.console.sparkline import Points


@dataclass(frozen=True, slots=True)
class Trace:
    """How one stream is drawn: over which span, in windows of which length."""

    span: timedelta
    span_words: str
    window_s: float
    # Least range of values that fills the height: less is the sensor's own unrest.
    least_span: float
    query: str


_ONE_VALUE = """
SELECT node_id, NULL, array_agg(t ORDER BY t), array_agg({column} ORDER BY t)
FROM {stream}_raw WHERE t > %(since)s GROUP BY node_id
"""
# Lines are never added up unless the site closes them off, so the trace is of the first one.
_FIRST_LINE = """
SELECT DISTINCT ON (node_id) node_id, line,
       array_agg(t ORDER BY t), array_agg(a_to_b + b_to_a ORDER BY t)
FROM footfall_line_raw WHERE t > %(since)s GROUP BY node_id, line ORDER BY node_id, line
"""
TRACES = {
    Stream.LIGHT: Trace(
        timedelta(hours=1),
        "last hour",
        60,
        2.0,
        _ONE_VALUE.format(column="lux_p50", stream="light"),
    ),
    Stream.NOISE: Trace(
        timedelta(hours=1), "last hour", 60, 10.0, _ONE_VALUE.format(column="laeq", stream="noise")
    ),
    Stream.FOOTFALL: Trace(timedelta(hours=12), "last 12 hours", 900, 4.0, _FIRST_LINE),
}


@dataclass(frozen=True, slots=True)
class History:
    """Points of one stream of one node; `line` names the footfall line they belong to."""

    points: Points
    line: str | None


def load_history(conn: Connection, at: datetime) -> dict[str, dict[Stream, History]]:
    """Recent points by node and stream."""
    found: dict[str, dict[Stream, History]] = defaultdict(dict)
    for stream, trace in TRACES.items():
        for node_id, line, times, values in conn.execute(trace.query, {"since": at - trace.span}):
            found[node_id][stream] = History(Points(times, values), line)
    return found
