"""An episode as TALQ 2.7.1 puts it: a `LogReport` with one `EventLogData` (data model, oas/).

A CMS takes such a report at `/log-reports`; a maintenance system can read it as plain JSON. The
names that TALQ has are used as they are; those it hasn't (`feederFault`, `switchingEarly`,
`switchingLate`) are sent as vendor events with the same shape.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from server.lighting.episodes import SOURCE, Kind

LOGGER = "municipal-safety-lab/lamps"
# TALQ function whose event it is: LampMonitor's, or LightSensor's for what is a level.
_FUNCTION = {Kind.LEVEL_LOW: "lightSensor"}


def log_report(
    episode: Mapping[str, Any], *, begun: bool, at: datetime, words: str
) -> dict[str, Any]:
    """One report that the episode has begun, or that it is over.

    Args:
        episode: With episode_id, node_id, site_id, kind, from_t, to_t, confidence and lamps.
        words: For a person who reads it.
    """
    kind = Kind(episode["kind"])
    moment = episode["from_t"] if begun else episode["to_t"] or at
    return {
        "address": LOGGER,
        "entries": [
            {
                "cmsRefId": f"episode-{episode['episode_id']}",
                "data": {
                    "type": "EventLogData",
                    "srcAddress": f"{episode['node_id']}/{_FUNCTION.get(kind, 'lampMonitor')}",
                    "timestamp": _iso(moment),
                    "eventType": str(kind),
                    "startEndFlag": begun,
                    "info": words,
                },
                # Beside TALQ's own: what a work order needs to be made and closed once.
                "episode": {
                    "id": episode["episode_id"],
                    "node": episode["node_id"],
                    "site": episode["site_id"],
                    "kind": str(kind),
                    "source": SOURCE,
                    "from": _iso(episode["from_t"]),
                    "to": None if episode["to_t"] is None else _iso(episode["to_t"]),
                    "confidence": round(float(episode["confidence"]), 3),
                    "lamps": list(episode["lamps"]),
                },
            }
        ],
    }


def _iso(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
