"""All light that is kept, told anew: what `msl lamps recompute` does."""

from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from server.lamps.episode_store import reconcile
from server.lamps.night_store import keep_nights
from server.lamps.site import lamp_sites, site_light
from server.lighting.diagnosis import diagnose


@dataclass(frozen=True)
class Recomputed:
    """What changed at one site."""

    site_id: str
    lamps_n: int
    begun_n: int
    changed_n: int
    retracted_n: int


def recompute_sites(
    conn: psycopg.Connection, since: datetime, site_id: str | None = None
) -> list[Recomputed]:
    """Tell the lamps' episodes and nights from all light since `since`; the same as live."""
    done = []
    for site in lamp_sites(conn, site_id):
        samples = site_light(conn, site, since)
        oldest = [int(one.t_s[0]) for one in samples.values() if one.t_s.size]
        light_from = datetime.fromtimestamp(min(oldest), UTC) if oldest else since
        latitude, longitude = site.place
        found = diagnose(
            samples, latitude, longitude, feeders=site.feeders,
            commissioned_lx=site.commissioned_lx,
        )  # fmt: skip
        changes = reconcile(conn, site.site_id, site.nodes, found.episodes, light_from)
        for nights in found.nights.values():
            keep_nights(conn, site.site_id, site.zone, nights)
        done.append(
            Recomputed(
                site.site_id,
                len(site.lamps),
                changes.begun_n,
                changes.changed_n,
                changes.retracted_n,
            )
        )
    return done
