"""The last hour of light and noise and the last hours of footfall, for the rows' sparklines.

One walk down the time-leading index over the newest chunk for all nodes together: 60 rows a node,
where a look-up per node would jump 500 times through the same pages.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from contract.streams import DEFAULT_WINDOW_S, Stream
from server.api.fleet import Connection
from server.api.memo import Memo
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
       array_agg({column} ORDER BY t)
FROM {stream}_raw WHERE t > %(since)s GROUP BY node_id
"""
# Lines are never added up unless the site closes them off, so the trace is of the first one.
_FIRST_LINE = """
SELECT DISTINCT ON (node_id) node_id, line,
       array_agg(extract(epoch FROM t)::bigint ORDER BY t), array_agg(a_to_b + b_to_a ORDER BY t)
FROM footfall_line_raw WHERE t > %(since)s GROUP BY node_id, line ORDER BY node_id, line
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

    def load(self, conn: Connection, at: datetime) -> Sketches:
        """Those of now, or of `KEEP_S` ago."""
        return self._memo.get(lambda: load_sketches(conn, at))


def load_sketches(conn: Connection, at: datetime) -> Sketches:
    """What every stream did lately; nothing for a stream that measured nothing."""
    found: Sketches = defaultdict(dict)
    for stream, trace in TRACES.items():
        keys = {"since": at - trace.span}
        for node_id, line, times_s, values in conn.execute(trace.query, keys):
            sketch = _sketch(stream, trace, Points(times_s, values), line, at)
            if sketch is not None:
                found[node_id][stream] = sketch
    return found


def _sketch(
    stream: Stream, trace: Trace, points: Points, line: str | None, at: datetime
) -> Sketch | None:
    spark = draw(
        points,
        since_s=(at - trace.span).timestamp(),
        until_s=at.timestamp(),
        window_s=DEFAULT_WINDOW_S[stream],
        least_span=trace.least_span,
    )
    if spark is None:
        return None
    of_line = f" of line {line}" if line else ""
    gaps = {0: "no gap", 1: "1 gap"}.get(spark.gaps_n, f"{spark.gaps_n} gaps")
    low, high = trace.show(spark.low), trace.show(spark.high)
    return Sketch(spark, f"{trace.span_words}{of_line}: {low} to {high} {trace.unit}, {gaps}")
