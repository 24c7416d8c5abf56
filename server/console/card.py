"""What one node's card says, worked out before the template sees it."""

from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from contract.flags import FLAG_RULES, Flag, bits_to_flags
from contract.streams import MEASURED_STREAMS, Stream
from server.api.fleet import LatestRecord, Node
from server.api.latest import calibrations_of, corrected, line_value
from server.api.quantities import QUANTITIES
from server.api.stream_state import Condition, node_link, stream_state
from server.console import wording
from server.console.history import Sketch
from server.console.sparkline import Spark
from server.console.wording import Mark, Saying

SHOWN = (Stream.LIGHT, Stream.NOISE, Stream.FOOTFALL, Stream.HEALTH)
MEANING = {rule.flag: rule.meaning for rule in FLAG_RULES}
# Which of a node's marks speaks for the whole card.
_LOUDNESS = (Mark.BAD, Mark.WARN, Mark.WAIT, Mark.GOOD, Mark.OFF)


@dataclass(frozen=True, slots=True)
class Reading:
    """A number with what it is and its unit; `known` is false for a dash."""

    label: str
    text: str
    unit: str
    known: bool = True
    spoken: str = ""  # for a screen reader, where the text is made of signs


@dataclass(frozen=True, slots=True)
class Row:
    """One stream of the card."""

    key: str
    name: str
    saying: Saying
    readings: tuple[Reading, ...]
    stale: bool
    measured_at: datetime | None
    measured_text: str
    coverage: str
    notes: tuple[str, ...]
    losses: tuple[str, ...]
    flags: tuple[tuple[str, str], ...]
    spark: Spark | None
    spark_words: str


@dataclass(frozen=True, slots=True)
class Card:
    """A node as the page shows it."""

    node_id: str
    state: str
    simulated: bool
    link: Saying
    heard_at: datetime | None
    mark: Mark
    trouble: str
    rows: tuple[Row, ...]


def make_card(node: Node, sketches: dict[Stream, Sketch], at: datetime, zone: ZoneInfo) -> Card:
    """Everything the card says about `node` at `at`, in the time of its site."""
    link, heard_at = node_link(node, at)
    said = wording.say_link(link, heard_at, at, zone)
    if node.row.state == "retired" and said.mark is Mark.BAD:
        said = replace(said, mark=Mark.OFF)  # what is gone for good is in no list of troubles
    rows = tuple(_row(node, stream, sketches.get(stream), at, zone) for stream in SHOWN)
    marks = {said.mark, *(row.saying.mark for row in rows)}
    mark = next(m for m in _LOUDNESS if m in marks)
    return Card(
        node_id=node.row.node_id,
        state=node.row.state,
        simulated=node.row.simulated or _any_simulated(node),
        link=said,
        heard_at=heard_at,
        mark=mark,
        trouble=_trouble(said, rows),
        rows=rows,
    )


def _trouble(link: Saying, rows: tuple[Row, ...]) -> str:
    """The card in one line, for the list of what needs attention; empty when nothing does."""
    if link.mark is Mark.BAD:
        return f"offline {link.why}"
    names: dict[Saying, list[str]] = {}
    for row in rows:
        if row.saying.mark in (Mark.BAD, Mark.WARN):
            names.setdefault(row.saying, []).append(row.name.lower())
    return "; ".join(
        f"{', '.join(streams)}: {saying.short}, {saying.why}" for saying, streams in names.items()
    )


def _any_simulated(node: Node) -> bool:
    return any(Flag.SIMULATED in bits_to_flags(record.flags) for record in node.latest.values())


def _row(node: Node, stream: Stream, sketch: Sketch | None, at: datetime, zone: ZoneInfo) -> Row:
    state, record = stream_state(node, stream, at), node.latest.get(stream)
    flags = bits_to_flags(record.flags) if record else []
    return Row(
        key=stream.value,
        name=wording.STREAM_NAMES[stream],
        saying=wording.say_stream(state, stream, at, zone),
        readings=_readings(node, stream, record),
        # A value whose successor is overdue is history: shown, but never as if it were now.
        stale=state.condition not in (Condition.OK, Condition.BLIND),
        measured_at=record.closes_at if record else None,
        measured_text=wording.clock(record.closes_at, at, zone) if record else "",
        coverage=_coverage(node, stream),
        notes=_notes(node, stream, record),
        losses=_losses(node, stream, at, zone),
        flags=tuple((f.value, MEANING[f]) for f in flags if f not in wording.QUIET_FLAGS),
        spark=sketch.spark if sketch else None,
        spark_words=sketch.words if sketch else "",
    )


def _coverage(node: Node, stream: Stream) -> str:
    """How much of what was due today was measured; empty where nothing ever is."""
    if stream not in MEASURED_STREAMS or node.row.state == "retired":
        return ""
    if node.coverage is None:
        return "share measured today: not known now"
    if stream not in node.coverage:
        return "nothing due yet today"
    return f"{wording.share(node.coverage[stream])} measured today"


def _notes(node: Node, stream: Stream, record: LatestRecord | None) -> tuple[str, ...]:
    """What travels with the number."""
    if record is None or stream not in MEASURED_STREAMS:
        return ()
    notes = []
    if stream is Stream.FOOTFALL:
        notes.append(_counted_over(record))
    if record.valid_s > 0:
        notes.append("calibrated" if calibrations_of(node, stream, record) else "not calibrated")
    return tuple(notes)


def _counted_over(record: LatestRecord) -> str:
    """For how long was counted: a window half seen is not half as busy."""
    whole, seen = wording.span(record.dur_s), wording.span(record.valid_s)
    return f"in {whole}" if seen == whole else f"in {seen} seen of {whole}"


def _losses(node: Node, stream: Stream, at: datetime, zone: ZoneInfo) -> tuple[str, ...]:
    """Records that are not in the numbers, why, and of how long: all since the first batch.

    What is held is held now, whenever it came.
    """
    entry = node.ledger.get(stream)
    if entry is None:
        return ()
    since = f" since {wording.clock(entry.first_at, at, zone)}"
    counts = {
        f"missing{since}": entry.missing_n,
        "held": entry.held_n,
        f"lost on the node{since}": entry.lost_n,
        f"not legible{since}": entry.rejected_n,
    }
    return tuple(f"{wording.records(n)} {what}" for what, n in counts.items() if n)


def _readings(node: Node, stream: Stream, record: LatestRecord | None) -> tuple[Reading, ...]:
    if record is None:
        return (Reading("", wording.DASH, "", known=False),)
    if stream is Stream.FOOTFALL:
        return _line_readings(node, record)
    if stream is Stream.HEALTH:
        return _health_readings(record)
    first = QUANTITIES[stream][0]
    value = corrected(node, first, record)
    label, text = ("median", wording.lux(value)) if stream is Stream.LIGHT else (
        "LAeq", wording.decibel(value)
    )  # fmt: skip
    return (Reading(label, text, first.unit, known=value is not None),)


def _line_readings(node: Node, record: LatestRecord) -> tuple[Reading, ...]:
    lines = [line_value(node, line, record.t) for line in record.lines]
    if not lines:
        return (Reading("no line configured", wording.DASH, "", known=False),)
    return tuple(
        Reading(
            line.line,
            wording.DASH
            if line.a_to_b is None
            else f"{wording.count(line.a_to_b)} → {wording.count(line.b_to_a)} ←",
            "",
            known=line.a_to_b is not None,
            spoken=f"{wording.count(line.a_to_b)} from a to b,"
            f" {wording.count(line.b_to_a)} from b to a",
        )
        for line in lines
    )


def _health_readings(record: LatestRecord) -> tuple[Reading, ...]:
    readings = []
    if (cpu_c := record.values["cpu_c"]) is not None:
        readings.append(Reading("processor", f"{cpu_c:.0f}", "°C"))
    if (waiting_n := record.values["spool_records_n"]) is not None:
        readings.append(Reading("waiting", wording.count(waiting_n), "records"))
    if (days_left := record.values["spool_days_left"]) is not None:
        readings.append(Reading("buffer", f"{days_left:.0f}", "days"))
    return tuple(readings) or (Reading("no values", wording.DASH, "", known=False),)
