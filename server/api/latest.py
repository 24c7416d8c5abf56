"""From a snapshot to the API's words: freshness, and the latest value with its calibration."""

from datetime import datetime

from contract.flags import bits_to_flags
from contract.streams import Stream
from server.api import models
from server.api.fleet import Calibration, Fleet, LatestRecord, LineCount, Node
from server.api.quantities import QUANTITIES, Quantity
from server.api.stream_state import node_link, stream_state

CALIBRATED_STREAMS = (Stream.LIGHT, Stream.NOISE, Stream.FOOTFALL)


def node_list(fleet: Fleet) -> models.NodeList:
    """Every node with the freshness of its streams."""
    return models.NodeList(at=fleet.at, nodes=[summary(node, fleet.at) for node in fleet.nodes])


def summary(node: Node, at: datetime) -> models.NodeSummary:
    """One node with the freshness of its streams."""
    link, heard_at = node_link(node, at)
    row = node.row
    return models.NodeSummary(
        node=row.node_id,
        lab=row.lab_id,
        site=row.site_id,
        site_name=row.site_name,
        time_zone=row.tz,
        state=row.state,
        simulated=row.simulated,
        status=link,
        heard_at=heard_at,
        created_at=row.created_at,
        streams=[_freshness(node, stream, at) for stream in Stream],
    )


def _freshness(node: Node, stream: Stream, at: datetime) -> models.StreamFreshness:
    state, entry = stream_state(node, stream, at), node.ledger.get(stream)
    record = node.latest.get(stream)
    return models.StreamFreshness(
        stream=stream,
        condition=state.condition,
        detail=state.detail,
        since=state.since,
        expected_at=state.expected_at,
        due_by=state.due_by,
        last_t=record.t if record else None,
        last_received_at=entry.last_at if entry else None,
        last_new_at=entry.last_new_at if entry else None,
        spool=entry.spool if entry else None,
        complete_to=entry.complete_to if entry else None,
        stored_n=entry.stored_n if entry else 0,
        missing_n=state.missing_n,
        held_n=state.held_n,
        held_reason=state.held_reason,
        rejected_n=entry.rejected_n if entry else 0,
        lost_n=entry.lost_n if entry else 0,
        coverage_today=(node.coverage or {}).get(stream),
    )


def latest(node: Node, at: datetime) -> models.Latest:
    """The newest accepted record of each of the node's streams."""
    return models.Latest(
        at=at,
        node=node.row.node_id,
        simulated=node.row.simulated,
        streams=[_latest_stream(node, stream, at) for stream in Stream],
    )


def _latest_stream(node: Node, stream: Stream, at: datetime) -> models.LatestStream:
    state, record = stream_state(node, stream, at), node.latest.get(stream)
    if record is None:
        return models.LatestStream(stream=stream, condition=state.condition, detail=state.detail)
    used = calibrations_of(node, stream, record)
    return models.LatestStream(
        stream=stream,
        condition=state.condition,
        detail=state.detail,
        t=record.t,
        dur_s=record.dur_s,
        valid_s=record.valid_s,
        received_at=record.received_at,
        flags=bits_to_flags(record.flags),
        calibrated=bool(used) if stream in CALIBRATED_STREAMS else None,
        calibration_ids=[calibration.calibration_id for calibration in used],
        values=[_value(node, quantity, record) for quantity in QUANTITIES[stream]],
        lines=[line_value(node, line, record.t) for line in record.lines],
    )


def calibrations_of(node: Node, stream: Stream, record: LatestRecord) -> list[Calibration]:
    """The calibrations that hold for a record: one, or one for each line of footfall."""
    if stream is not Stream.FOOTFALL:
        found = [calibration_at(node, stream.value, None, record.t)]
    else:
        found = [calibration_at(node, stream.value, line.line, record.t) for line in record.lines]
    by_id = {one.calibration_id: one for one in found if one is not None}
    return list(by_id.values())


def calibration_at(node: Node, quantity: str, line: str | None, t: datetime) -> Calibration | None:
    """The calibration of a quantity that holds at `t`: the newest.

    Of footfall, one of this line or of all lines; of two that begin together the line's own. The
    rollups choose the same (`footfall_line_1h_marked`).
    """
    held = [
        c
        for c in node.calibrations
        if c.quantity == quantity and c.from_t <= t and c.line in (None, line)
    ]
    return max(held, key=lambda c: (c.from_t, c.line is not None), default=None)


def corrected(node: Node, quantity: Quantity, record: LatestRecord) -> float | None:
    """A record's value with the calibration that holds applied; None when not measured.

    Light: gain x reading + offset (lx). Noise: reading + offset (dB), its gain being 1.
    """
    raw = record.values[quantity.name]
    if raw is None or quantity.correction is None:
        return raw
    held = calibration_at(node, quantity.correction, None, record.t)
    if held is None:
        return raw
    return held.gain * raw + held.offset


def _value(node: Node, quantity: Quantity, record: LatestRecord) -> models.Value:
    return models.Value(
        name=quantity.name,
        unit=quantity.unit,
        meaning=quantity.meaning,
        value=corrected(node, quantity, record),
        raw=record.values[quantity.name],
    )


def line_value(node: Node, line: LineCount, t: datetime) -> models.LineValue:
    """Crossings of one line with the calibration that holds at `t`, and as they were counted."""
    held = calibration_at(node, "footfall", line.line, t)
    gain = held.gain if held else 1.0
    return models.LineValue(
        line=line.line,
        a_to_b=None if line.a_to_b is None else gain * line.a_to_b,
        b_to_a=None if line.b_to_a is None else gain * line.b_to_a,
        raw_a_to_b=line.a_to_b,
        raw_b_to_a=line.b_to_a,
    )
