"""The last hour of light and noise and the last hours of footfall, for the rows' sparklines.

Corrected by the calibrations that hold, as the value beside them is.

One walk down the time-leading index over the newest chunk for all nodes together: 60 rows a node,
where a look-up per node would jump 500 times through the same pages.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from contract.streams import Stream
from server.api.fleet import Connection, Fleet, Node
from server.api.latest import calibration_at
from server.api.memo import Memo
from server.api.stream_state import GRACE
from server.console import wording
from server.console.sparkline import Points, Spark, draw

# A sparkline moves by a point a minute: it may be this old.
KEEP_S = 20.0


@dataclass(frozen=True, slots=True)
class Trace:
    """How one stream is drawn: over which span, in windows of which length."""

    span: timedelta
    span_words: str
    show: Callable[[float | None], str]
    unit: str
    # Least range of values that fills the height: less is the sensor's own unrest.
    least_span: float
    query: str


_ONE_VALUE = """
SELECT node_id, NULL, array_agg(extract(epoch FROM t)::bigint ORDER BY t),
       array_agg(dur_s ORDER BY t), array_agg({column} ORDER BY t)
FROM {stream}_raw WHERE t > %(since)s GROUP BY node_id
"""
# Lines are never added up unless the site closes them off, so the trace is of the first one.
_FIRST_LINE = """
SELECT DISTINCT ON (node_id) node_id, line,
       array_agg(extract(epoch FROM t)::bigint ORDER BY t),
       array_agg(dur_s ORDER BY t), array_agg(a_to_b + b_to_a ORDER BY t)
FROM footfall_line_raw JOIN footfall_raw r USING (t, node_id, spool, seq)
WHERE t > %(since)s AND r.t > %(since)s GROUP BY node_id, line ORDER BY node_id, line
"""
_HOUR, _HOURS = timedelta(hours=1), timedelta(hours=12)
TRACES = {
    Stream.LIGHT: Trace(
        _HOUR, "last hour", wording.lux, "lx", 2.0,
        _ONE_VALUE.format(column="lux_p50", stream="light"),
    ),
    Stream.NOISE: Trace(
        _HOUR, "last hour", wording.decibel, "dB", 10.0,
        _ONE_VALUE.format(column="laeq", stream="noise"),
    ),
    Stream.FOOTFALL: Trace(
        _HOURS, "last 12 hours", wording.count, "crossings", 4.0, _FIRST_LINE
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sketch:
    """A sparkline and the same in words."""

    spark: Spark
    words: str


Sketches = dict[str, dict[Stream, Sketch]]


class History:
    """Sparklines by node and stream, kept for a while."""

    def __init__(self) -> None:
        self._memo: Memo[Sketches] = Memo(KEEP_S)

    def load(self, conn: Connection, fleet: Fleet) -> Sketches:
        """Those of now, or of `KEEP_S` ago."""
        return self._memo.get(lambda: load_sketches(conn, fleet))


def load_sketches(conn: Connection, fleet: Fleet) -> Sketches:
    """What every stream did lately; nothing for a stream that measured nothing."""
    found: Sketches = defaultdict(dict)
    nodes = {node.row.node_id: node for node in fleet.nodes}
    for stream, trace in TRACES.items():
        keys = {"since": fleet.at - trace.span}
        for node_id, line, times_s, durs_s, values in conn.execute(trace.query, keys):
            if node_id not in nodes:
                continue
            points = _corrected(nodes[node_id], stream, line, Points(times_s, durs_s, values))
            sketch = _sketch(trace, points, line, fleet.at)
            if sketch is not None:
                found[node_id][stream] = sketch
    return found


def _corrected(node: Node, stream: Stream, line: str | None, points: Points) -> Points:
    if not node.calibrations:
        return points
    values = []
    for time_s, value in zip(points.times_s, points.values, strict=True):
        held = calibration_at(node, stream.value, line, datetime.fromtimestamp(time_s, UTC))
        values.append(value if held is None or value is None else held.gain * value + held.offset)
    return replace(points, values=values)


def _sketch(trace: Trace, points: Points, line: str | None, at: datetime) -> Sketch | None:
    spark = draw(
        points,
        since_s=(at - trace.span).timestamp(),
        until_s=at.timestamp(),
        grace_s=GRACE.total_seconds(),
        least_span=trace.least_span,
    )
    if spark is None:
        return None
    of_line = f" of line {line}" if line else ""
    gaps = {0: "no gap", 1: "1 gap"}.get(spark.gaps_n, f"{spark.gaps_n} gaps")
    low, high = trace.show(spark.low), trace.show(spark.high)
    return Sketch(spark, f"{trace.span_words}{of_line}: {low} to {high} {trace.unit}, {gaps}")
