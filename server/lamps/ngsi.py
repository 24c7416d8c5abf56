"""Lamps as NGSI-LD `Streetlight` entities (smart-data-models/dataModel.Streetlighting 0.1.0).

Only what is known is said: a lamp whose state can't be told has no `powerState`, one that was never
recognised no `status`. The model has no value for a lamp that burns by day or is dim; those are
`ok` for it and stand in `annotations`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from server.lamps.wording import kind_words
from server.lighting.episodes import SOURCE

CONTEXT = (
    "https://raw.githubusercontent.com/smart-data-models/dataModel.Streetlighting/master/context.jsonld",
    "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld",
)
_POWER = {"lit": "on", "out": "off"}
_DEFECT = {"lampFailure", "cyclingFailure", "feederFault"}


def streetlight(lamp: Mapping[str, Any], open_kinds: Sequence[str]) -> dict[str, Any]:
    """One lamp.

    Args:
        lamp: With node_id, site_id, lab_id, latitude, longitude, height_m, feeder, rated_w, state,
            at_t, learned, simulated, on_t, off_t and level.
        open_kinds: Of the faults that the light says last.
    """
    entity: dict[str, Any] = {
        "id": f"urn:ngsi-ld:Streetlight:{lamp['lab_id']}:{lamp['node_id']}",
        "type": "Streetlight",
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [lamp["longitude"], lamp["latitude"]]},
        },
        "areaServed": _property(lamp["site_id"]),
        "source": _property(SOURCE + (", SIMULATED" if lamp["simulated"] else "")),
        "@context": list(CONTEXT),
    }
    at = _observed(lamp["at_t"])
    if lamp["state"] in _POWER and lamp["at_t"] is not None:
        entity["powerState"] = _property(_POWER[lamp["state"]]) | at
    if lamp["learned"]:
        defective = any(kind in _DEFECT for kind in open_kinds)
        entity["status"] = _property("defectiveLamp" if defective else "ok") | at
    if open_kinds:
        entity["annotations"] = _property([f"{k}: {kind_words(k)}" for k in open_kinds])
    for name, value in (
        ("circuit", lamp["feeder"]),
        ("lanternHeight", lamp["height_m"]),
        ("powerRating", lamp["rated_w"]),
        ("illuminanceLevel", None if lamp["level"] is None else min(lamp["level"], 1.0)),
    ):
        if value is not None:
            entity[name] = _property(value)
    for name, moment in (
        ("dateLastSwitchingOn", lamp["on_t"]),
        ("dateLastSwitchingOff", lamp["off_t"]),
        ("observationDateTime", lamp["at_t"]),
    ):
        if moment is not None:
            entity[name] = _property({"@type": "DateTime", "@value": _iso(moment)})
    return entity


def _property(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def _observed(at: datetime | None) -> dict[str, Any]:
    return {} if at is None else {"observedAt": _iso(at)}


def _iso(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
