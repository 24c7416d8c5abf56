"""A whole file into the database in one transaction, or nothing of it."""

import hashlib

import psycopg

from server.evaluation.data.load import registered
from server.evaluation.errors import BadRequest
from server.evaluation.imports.areas import Circle
from server.evaluation.imports.rows import Rows


def circles_of(conn: psycopg.Connection, intervention_id: str, radius_m: float) -> list[Circle]:
    """Circles around the intervention's sites."""
    registered(conn, intervention_id)
    rows = conn.execute(
        "SELECT s.site_id, a.arm, s.latitude, s.longitude FROM intervention_site AS a"
        " JOIN site AS s USING (site_id) WHERE a.intervention_id = %s ORDER BY 1",
        [intervention_id],
    ).fetchall()
    return [
        Circle(site=site, arm=arm, latitude=lat, longitude=lon, radius_m=radius_m)
        for site, arm, lat, lon in rows
    ]


def store_rows(
    conn: psycopg.Connection, intervention_id: str, kind: str, file_name: str, content: bytes,
    rows: Rows, *, by: str,
) -> int:  # fmt: skip
    """Keep every row and return the batch's number; call within one transaction.

    Raises:
        BadRequest: A row is bad (nothing is imported then), or this file is in already.
    """
    if rows.bad:
        raise BadRequest(f"{len(rows.bad)} bad rows in {file_name}; nothing was imported")
    digest = hashlib.sha256(content).hexdigest()
    row = conn.execute(
        "INSERT INTO import_batch (intervention_id, kind, file_name, file_sha256, rows_n,"
        " imported_by) VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING batch_id",
        [
            intervention_id, kind, file_name, digest,
            len(rows.incidents) + len(rows.answers), by,
        ],
    ).fetchone()  # fmt: skip
    if row is None:
        raise BadRequest(f"{file_name} was imported for {intervention_id} before; nothing changed")
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO incident (batch_id, intervention_id, at, arm, category, site_id)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [(row[0], intervention_id, i.at, i.arm, i.category, i.site) for i in rows.incidents],
        )
        cursor.executemany(
            "INSERT INTO survey_answer (batch_id, intervention_id, wave, arm, question, answer,"
            " weight) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [
                (row[0], intervention_id, a.wave, a.arm, a.question, a.answer, a.weight)
                for a in rows.answers
            ],
        )
    return int(row[0])
