"""Whose rows, which of them, and how they come."""

from datetime import UTC, date, datetime

import psycopg
import pytest

from contract.streams import Stream
from server.export import queries
from server.export.columns import STREAMS, Grain, columns
from server.export.queries import Scope, find_scope, rows
from tests.server.export.conftest import FIRST, NODE, Measured

pytestmark = pytest.mark.db

UNTIL = datetime(2026, 6, 4, tzinfo=UTC)
DAYS = date(2026, 6, 1), date(2026, 6, 4)


def count(data: Measured, scope: Scope) -> int:
    with (
        psycopg.connect(data.dsn_api, autocommit=True) as conn,
        rows(conn, Stream.LIGHT, Grain.RAW, scope, FIRST, UNTIL, DAYS) as blocks,
    ):
        return sum(map(len, blocks))


def test_rows_come_in_blocks_from_a_cursor_on_the_server(
    three_days: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "FETCH_ROWS", 50)
    scope = Scope("lab", None, [NODE], NODE)
    with (
        psycopg.connect(three_days.dsn_api, autocommit=True) as conn,
        rows(conn, Stream.LIGHT, Grain.RAW, scope, FIRST, UNTIL, DAYS) as blocks,
    ):
        assert len(next(blocks)) == 50
        assert conn.execute("SELECT name FROM pg_cursors").fetchall() == [("export",)]
        assert [len(block) for block in blocks] == [50, 50, 50, 50, 30]


def test_a_site_has_its_nodes_only_while_they_stood_there(three_days: Measured) -> None:
    conn = three_days.conn
    whole = find_scope(conn, lab=None, site="plaza", node=None)
    assert (whole.lab, whole.node_ids, count(three_days, whole)) == ("lab", [NODE], 280)
    conn.execute("UPDATE deployment SET to_t = '2026-06-02Z'")
    try:
        assert count(three_days, whole) == 88
    finally:
        conn.execute("UPDATE deployment SET to_t = NULL")


def test_a_flag_may_bar_records_from_exports(three_days: Measured) -> None:
    scope = Scope("lab", None, [NODE], NODE)
    conn = three_days.conn
    barred = "UPDATE flag SET export = %s WHERE name = 'NEAR_FLOOR'"
    conn.execute(barred, [False])
    try:
        flagged = conn.execute("SELECT count(*) FROM light_raw WHERE flags <> 0").fetchone()
        assert flagged is not None
        assert count(three_days, scope) == 280 - flagged[0]
    finally:
        conn.execute(barred, [True])


@pytest.mark.parametrize("grain", list(Grain))
@pytest.mark.parametrize("stream", STREAMS)
def test_names_are_once_each_and_numbers_carry_units(stream: Stream, grain: Grain) -> None:
    names = [column.name for column in columns(stream, grain)]
    assert len(names) == len(set(names))
    suffix = {"lx": "_lx", "dB": "_db", "s": "_s", "ms": "_ms", "byte": "_bytes", "dBm": "_dbm"}
    for column in columns(stream, grain):
        wanted = suffix.get(column.unit, "")
        assert wanted in column.name, column
        assert column.meaning
