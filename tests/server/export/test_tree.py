"""Files that another program reads back: the same sums as SQL, nothing made up, resumable."""

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from server.export.columns import STREAMS, Grain, columns
from tests.server.export.conftest import NODE, Measured, Msl

pytestmark = pytest.mark.db
ROOT = Path(__file__).parents[3]

ALL = "read_parquet('{}/**/*.parquet', hive_partitioning=true)"


def sql(data: Measured, query: str) -> Any:
    row = data.conn.execute(query.encode()).fetchone()
    assert row is not None
    return row


def duck(out: Path, select: str) -> Any:
    return duckdb.execute(f"SELECT {select} FROM {ALL.format(out)}").fetchone()


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def files(out: Path) -> list[str]:
    return sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())


def test_duckdb_finds_the_sums_of_sql(three_days: Measured, msl: Msl, tmp_path: Path) -> None:
    done = msl("light", tmp_path, "--site", "plaza", "--format", "parquet", "--json")
    assert done.exit_code == 0, done.output

    rows, lux, blind, valid = duck(
        tmp_path,
        "count(*), sum((lux_p50_lx - coalesce(calibration_offset_lx, 0))"
        " / coalesce(calibration_gain, 1)), count(*) FILTER (lux_p50_lx IS NULL), sum(valid_s)",
    )
    wanted = sql(
        three_days,
        "SELECT count(*), sum(lux_p50::float8), count(*) FILTER (WHERE lux_p50 IS NULL),"
        " sum(valid_s) FROM light_raw",
    )
    assert (rows, blind, valid) == (wanted[0], wanted[2], wanted[3])
    assert lux == pytest.approx(wanted[1], rel=1e-6)
    per_day = duckdb.execute(
        f"SELECT lab, stream, day, count(*) FROM {ALL.format(tmp_path)} GROUP BY ALL ORDER BY day"
    ).fetchall()
    assert [(lab, stream, str(day), n) for lab, stream, day, n in per_day] == [
        ("lab", "light", "2026-06-01", 88),
        ("lab", "light", "2026-06-02", 96),
        ("lab", "light", "2026-06-03", 96),
    ]


@pytest.mark.parametrize("grain", ["raw", "1h", "1d"])
def test_counts_are_the_same_at_every_grain(
    three_days: Measured, msl: Msl, tmp_path: Path, grain: str
) -> None:
    done = msl("footfall", tmp_path, "--node", NODE, "--format", "parquet", "--grain", grain)
    assert done.exit_code == 0, done.output
    found = duck(tmp_path, "sum(a_to_b), sum(b_to_a), count(DISTINCT line)")
    # In Madrid the last two hours are the fourth of June, which was not asked for.
    until = "2026-06-03 22:00Z" if grain == "1d" else "2026-06-04Z"
    wanted = sql(
        three_days, f"SELECT sum(a_to_b), sum(b_to_a) FROM footfall_line_raw WHERE t < '{until}'"
    )
    assert found == (*map(float, wanted), 2)


def test_the_query_of_the_documentation_runs(
    three_days: Measured, msl: Msl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    snippet = text.partition("```sql\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    msl("noise", Path("year"), "--lab", "lab", "--grain", "1h", "--format", "parquet")
    found = duckdb.execute(snippet).fetchall()
    assert [(lab, str(day), loudest) for lab, day, loudest, _ in found] == [
        ("lab", f"2026-06-0{day}", 71.0) for day in (1, 2, 3)
    ]


def test_the_calibration_stands_beside_the_value_it_changed(
    three_days: Measured, msl: Msl, tmp_path: Path
) -> None:
    msl("light", tmp_path, "--node", NODE)
    before = read_csv(next(tmp_path.glob("**/day=2026-06-01/*.csv")))[1]
    after = read_csv(next(tmp_path.glob("**/day=2026-06-02/*.csv")))[1]
    assert (before["lux_p50_lx"], before["calibration_id"]) == ("1.1", "")
    assert float(after["lux_p50_lx"]) == pytest.approx(2 * 1.1 * 97 + 0.5, rel=1e-6)
    assert (after["calibration_gain"], after["calibration_offset_lx"]) == ("2.0", "0.5")
    assert after["calibration_reference"] == "lab 7"
    assert after["method"] == "percentiles_of_integrations"
    assert (after["t"], after["site"]) == ("2026-06-02T00:15:00.000Z", "plaza")


def test_what_was_not_measured_is_empty_and_flags_have_names(
    three_days: Measured, msl: Msl, tmp_path: Path
) -> None:
    msl("light", tmp_path, "--node", NODE)
    first, second, *_ = read_csv(next(tmp_path.glob("**/day=2026-06-01/*.csv")))
    assert (first["lux_p50_lx"], first["valid_s"], first["coverage"]) == ("", "0.0", "0.0")
    assert (first["flags"], first["simulated"]) == ("NEAR_FLOOR|SIMULATED", "true")
    assert (second["flags"], second["simulated"], second["coverage"]) == ("", "false", "1.0")


def test_excluded_records_are_there_and_marked(
    three_days: Measured, msl: Msl, tmp_path: Path
) -> None:
    msl("noise", tmp_path, "--node", NODE, "--format", "parquet")
    assert duck(tmp_path, "count(*), count(*) FILTER (excluded)") == (280, 4)
    assert duck(tmp_path, "any_value(sens_db)") == (120.0,)


@pytest.mark.parametrize("grain", list(Grain))
@pytest.mark.parametrize("stream", STREAMS)
def test_columns_carry_unit_and_meaning(
    three_days: Measured, msl: Msl, tmp_path: Path, stream: str, grain: str
) -> None:
    done = msl(stream, tmp_path, "--lab", "lab", "--format", "parquet", "--grain", grain)
    assert done.exit_code == 0, done.output
    schema = pq.read_schema(next(tmp_path.rglob("*.parquet")))
    wanted = columns(next(s for s in STREAMS if s == stream), Grain(grain))
    assert schema.names == [column.name for column in wanted]
    for column in wanted:
        about = schema.field(column.name).metadata
        assert about == {b"unit": column.unit.encode(), b"meaning": column.meaning.encode()}
    assert schema.metadata[b"grain"] == grain.encode()


def test_a_run_that_was_cut_off_goes_on(three_days: Measured, msl: Msl, tmp_path: Path) -> None:
    msl("light", tmp_path, "--node", NODE)
    whole = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    manifest = json.loads((tmp_path / "_manifest.light.json").read_text())
    assert [day["rows"] for day in manifest["days"].values()] == [88, 96, 96]
    # Cut off in the second day: no entry, half a file; and the third was damaged later.
    second, third = (f"lab=lab/stream=light/day=2026-06-0{n}/node-lamp-01.csv" for n in (2, 3))
    del manifest["days"]["2026-06-02"]
    (tmp_path / "_manifest.light.json").write_text(json.dumps(manifest))
    (tmp_path / second).rename((tmp_path / second).with_name(".node-lamp-01.csv.part"))
    (tmp_path / third).write_bytes(whole[third][:-1] + b"x")

    done = msl("light", tmp_path, "--node", NODE, "--json")

    assert json.loads(done.stdout)["skipped_n"] == 1
    assert "2026-06-01: 88 rows (there)\n2026-06-02: 96 rows\n" in done.stderr
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == whole


def test_late_records_come_in_when_asked_for(
    three_days: Measured, msl: Msl, tmp_path: Path
) -> None:
    conn = three_days.conn
    conn.execute("CREATE TABLE late AS SELECT * FROM light_raw WHERE t >= '2026-06-03Z'")
    conn.execute("DELETE FROM light_raw WHERE t >= '2026-06-03Z'")
    assert "184 rows, 2 files, 3 days" in msl("light", tmp_path, "--node", NODE).stdout
    conn.execute("INSERT INTO light_raw SELECT * FROM late")
    conn.execute("DROP TABLE late")
    assert "184 rows" in msl("light", tmp_path, "--node", NODE).stdout
    again = msl("light", tmp_path, "--node", NODE, "--again")
    assert "280 rows, 3 files, 3 days" in again.stdout


def test_a_folder_answers_one_question(three_days: Measured, msl: Msl, tmp_path: Path) -> None:
    msl("light", tmp_path, "--node", NODE)
    other = msl("light", tmp_path, "--node", NODE, "--grain", "1h")
    assert "already holds grain raw, not 1h; export to another folder" in str(other.exception)
    assert msl("noise", tmp_path, "--node", NODE).exit_code == 0  # beside it


def test_what_is_not_there_is_named(three_days: Measured, msl: Msl, tmp_path: Path) -> None:
    assert "no node lamp-99; msl node list" in str(
        msl("light", tmp_path, "--node", "lamp-99").exception
    )
    assert msl("light", tmp_path).exit_code == 2
    (tmp_path / "file").touch()
    refused = msl("light", tmp_path / "file", "--node", NODE)
    assert "can't be written" in str(refused.exception)
