"""Locked plans and results in the database; a plan once locked stays as it was."""

from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from server.evaluation.errors import BadRequest
from server.evaluation.evaluation import Evaluation
from server.evaluation.plan.canonical import Intervention, LockedPlan, canonical, plan_hash
from server.evaluation.plan.plan import Plan


class _Canonical(msgspec.Struct):
    plan: Plan
    intervention: Intervention


def lock(conn: psycopg.Connection, plan: Plan, intervention: Intervention, by: str) -> LockedPlan:
    """Keep the plan as it is now; the same plan again changes nothing, not even its date."""
    digest = plan_hash(plan, intervention)
    conn.execute(
        "INSERT INTO evaluation_plan (sha256, intervention_id, canonical, locked_by)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [digest, plan.intervention, canonical(plan, intervention).decode(), by],
    )
    found = locked_plan(conn, plan.intervention, digest)
    assert found is not None
    return found


def locked_plan(
    conn: psycopg.Connection, intervention_id: str, sha256: str | None = None
) -> LockedPlan | None:
    """The plan with that hash or, without one, the first that was locked for the intervention.

    The first, so that a second one locked after a look is a deviation and no new promise.
    """
    row = conn.execute(
        "SELECT sha256, canonical, locked_at FROM evaluation_plan WHERE intervention_id = %(i)s"
        " AND (%(h)s::text IS NULL OR sha256 = %(h)s) ORDER BY locked_at, sha256 LIMIT 1",
        {"i": intervention_id, "h": sha256},
    ).fetchone()
    return None if row is None else restored(*row)


def restored(sha256: str, text: str, locked_at: datetime) -> LockedPlan:
    """A locked plan from its canonical text; raises `BadRequest` when text and hash don't agree."""
    both = msgspec.json.decode(text, type=_Canonical)
    if plan_hash(both.plan, both.intervention) != sha256:
        raise BadRequest(
            f"locked plan {sha256[:12]} no longer has its hash: it was written by another version"
            " of the product, or changed behind its back"
        )
    return LockedPlan(
        plan=both.plan, intervention=both.intervention, sha256=sha256, locked_at=locked_at
    )


def keep(conn: psycopg.Connection, result: Evaluation, *, bundle_sha256: str, by: str) -> int:
    """Store a run and return its number."""
    row = conn.execute(
        "INSERT INTO evaluation (intervention_id, plan_sha256, exploratory, outcome, grade,"
        " verdict, results, bundle_sha256, ran_by) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " RETURNING evaluation_id",
        [
            result.intervention.intervention_id, result.plan_sha256, result.exploratory,
            result.outcome, result.grade, result.verdict, Jsonb(msgspec.to_builtins(result)),
            bundle_sha256, by,
        ],
    ).fetchone()  # fmt: skip
    assert row is not None
    return int(row[0])


def stored(conn: psycopg.Connection, evaluation_id: int) -> Evaluation | None:
    """One run as it came out."""
    row = conn.execute(
        "SELECT results FROM evaluation WHERE evaluation_id = %s", [evaluation_id]
    ).fetchone()
    return None if row is None else msgspec.convert(row[0], Evaluation)


def runs(
    conn: psycopg.Connection, intervention_id: str | None = None, limit: int = 200
) -> list[dict[str, Any]]:
    """Runs without their results, newest first."""
    return conn.cursor(row_factory=dict_row).execute(
        "SELECT e.evaluation_id, e.intervention_id, i.title, i.kind, e.plan_sha256, e.exploratory,"
        " e.outcome, e.grade, e.verdict, e.bundle_sha256, e.ran_at, e.ran_by,"
        " coalesce((e.results ->> 'simulated')::boolean, false) AS simulated"
        " FROM evaluation AS e JOIN intervention AS i USING (intervention_id)"
        " WHERE %(i)s::text IS NULL OR e.intervention_id = %(i)s"
        " ORDER BY e.ran_at DESC, e.evaluation_id DESC LIMIT %(n)s",
        {"i": intervention_id, "n": limit},
    ).fetchall()  # fmt: skip
