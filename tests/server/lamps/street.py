"""A street of lamps by the sun's real elevation, written as ingest would have left it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
from numpy.typing import NDArray

from server.lighting.sun import clear_sky_lx, elevation_deg

LATITUDE, LONGITUDE = 52.5, 13.4
LAMP_LX, FLOOR_LX = 10.0, 0.05
Out = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
FIRST = datetime(2025, 10, 1, 12, tzinfo=UTC)


def never(t_s: NDArray[np.int64]) -> NDArray[np.bool_]:
    """No fault."""
    return np.zeros(t_s.shape, dtype=bool)


def between(begin: datetime, end: datetime) -> Out:
    """Out from `begin` to `end`."""
    return lambda t_s: (t_s >= begin.timestamp()) & (t_s < end.timestamp())


def lux_of(t_s: NDArray[np.int64], out: Out = never) -> NDArray[np.float64]:
    """Lux under a lamp that burns under -4 degrees, with daylight and a little noise."""
    deg = elevation_deg(t_s, LATITUDE, LONGITUDE)
    day = 0.3 * clear_sky_lx(deg)
    lit = (deg < -4) & ~out(t_s)
    noise = np.random.default_rng(7).normal(1, 0.01, t_s.size)
    return np.asarray((day + LAMP_LX * lit + FLOOR_LX) * noise)


def minutes(begin: datetime, end: datetime) -> NDArray[np.int64]:
    """Every minute of a span, in UTC seconds."""
    return np.arange(int(begin.timestamp()), int(end.timestamp()), 60, dtype=np.int64)


@dataclass
class Street:
    """Writes registry and light as the superuser."""

    conn: psycopg.Connection
    seq: int = 0

    def site(self, site_id: str = "park", name: str = "Park", lighting_class: str = "P4") -> None:
        """A lab and a site in Berlin."""
        self.conn.execute("INSERT INTO lab VALUES ('lab', 'Lab') ON CONFLICT DO NOTHING")
        self.conn.execute(
            "INSERT INTO site (site_id, lab_id, name, tz, latitude, longitude, lighting_class)"
            " VALUES (%s, 'lab', %s, 'Europe/Berlin', %s, %s, %s)",
            [site_id, name, LATITUDE, LONGITUDE, lighting_class],
        )

    def lamp(
        self, node_id: str, site_id: str = "park", *, simulated: bool = False, **columns: object
    ) -> None:
        """A node at a site since the beginning, that watches a lamp."""
        since = FIRST - timedelta(days=1)
        self.conn.execute(
            "INSERT INTO node (node_id, lab_id, state, simulated, created_at)"
            " VALUES (%s, 'lab', 'commissioned', %s, %s)",
            [node_id, simulated, since],
        )
        self.conn.execute(
            "INSERT INTO deployment (node_id, site_id, from_t) VALUES (%s, %s, %s)",
            [node_id, site_id, since],
        )
        row = {"node_id": node_id, "from_t": since} | columns
        names, marks = ", ".join(row), ", ".join(f"%({name})s" for name in row)
        self.conn.execute(f"INSERT INTO lamp ({names}) VALUES ({marks})", row)

    def light(
        self, node_id: str, t_s: NDArray[np.int64], lux: Iterable[float], *, mark: bool = True
    ) -> None:
        """Records of a minute each."""
        values = np.asarray(lux, dtype=float).tolist()
        with self.conn.cursor() as cursor:
            with cursor.copy(
                "COPY light_raw (t, seq, received_at, origin_id, flags, dur_s, valid_s, lux_p50,"
                " samples_n, node_id, spool, sensor) FROM STDIN"
            ) as copy:
                for at_s, value in zip(t_s.tolist(), values, strict=True):
                    self.seq += 1
                    at = datetime.fromtimestamp(at_s, UTC)
                    copy.write_row(
                        (at, self.seq, at, 1, 0, 60, 60, value, 60, node_id, "abcdefgh", "x")
                    )
            if mark:
                hours = sorted({at_s // 3600 * 3600 for at_s in t_s.tolist()})
                cursor.executemany(
                    "INSERT INTO rollup_mark (node_id, stream, hour)"
                    " VALUES (%s, 'light', to_timestamp(%s))",
                    [(node_id, hour) for hour in hours],
                )
