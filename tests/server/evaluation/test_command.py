"""`msl evaluate`: answers on a CSV, errors that name line and column, exit codes, help."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from server.evaluation.command import app
from server.evaluation.errors import BadRequest, BadTable
from tests.server.evaluation.conftest import answer, write


def monthly_counts(effect: float) -> str:
    rng = np.random.default_rng(1)
    lines = ["arm,period,time,count"]
    for arm, base in (("treated", 30), ("control", 50)):
        for i in range(24):
            after = i >= 12
            mean = base * (1 + 0.4 * np.sin(i)) * (effect if after and arm == "treated" else 1)
            lines.append(f"{arm},{'after' if after else 'before'},m{i},{rng.poisson(mean)}")
    return "\n".join(lines)


def test_count2x2_without_a_file(cli: CliRunner) -> None:
    found = answer(cli, "count2x2", "--treated", "50,30", "--control", "60,55")
    rows = {(row["name"], row["model"]): row for row in found["estimates"]}
    plain = rows["rirr", "phi 1 (Poisson)"]
    assert (round(plain["value"], 7), round(plain["low"], 3), round(plain["high"], 3)) == (
        0.6545455, 0.366, 1.171,
    )  # fmt: skip
    assert rows["wdd_local", "phi 1"]["value"] == -15
    assert found["outcome"] == "inconclusive"


def test_count2x2_estimates_the_dispersion_from_months(cli: CliRunner, tmp_path: Path) -> None:
    found = answer(cli, "count2x2", write(tmp_path, monthly_counts(0.5)))
    assert found["diagnostics"]["dispersion"] == pytest.approx(1.0, abs=0.6)
    assert found["outcome"] == "change"
    assert found["estimates"][0]["low"] < 0.5 < found["estimates"][0]["high"]


def test_count2x2_with_buffer_gives_wdq_only_when_it_may_be_read(cli: CliRunner) -> None:
    clear = answer(cli, "count2x2", "--treated", "400,150", "--control", "400,400",
                   "--buffer", "300,290")  # fmt: skip
    vague = answer(cli, "count2x2", "--treated", "40,36", "--control", "40,40",
                   "--buffer", "30,29")  # fmt: skip
    assert "wdq" in {row["name"] for row in clear["estimates"]}
    names = {row["name"] for row in vague["estimates"]}
    assert "wdq" not in names
    assert "total_net_effects" in names
    assert "not clearly below 0" in vague["diagnostics"]["wdq_why_not"]


def test_its_reads_months_and_semicolons(cli: CliRunner, tmp_path: Path) -> None:
    rows = [f"{2020 + i // 12}-{i % 12 + 1:02d};{100 + i + 20 * (i >= 30) + i % 3}"
            for i in range(60)]  # fmt: skip
    csv = write(tmp_path, "month;n\n" + "\n".join(rows))
    found = answer(cli, "its", csv, "--time", "month", "--outcome", "n", "--at", "2022-07")
    assert found["estimates"][0]["value"] == pytest.approx(20, abs=1.5)
    assert "effect_at_2024-12" in {row["name"] for row in found["estimates"]}
    assert found["diagnostics"]["points_before"] == 30


def panel_csv(folder: Path) -> str:
    rng = np.random.default_rng(2)
    lines = ["site,week,rate,arm"]
    for i in range(13):
        arm = "treated" if i < 5 else "control"
        for week in range(20):
            value = 10 + i + 3 * (week >= 10 and i < 5) + rng.normal(0, 0.5)
            lines.append(f"s{i},{week},{value:.3f},{arm}")
    return write(folder, "\n".join(lines))


def test_did_and_sc_on_one_panel(cli: CliRunner, tmp_path: Path) -> None:
    csv = panel_csv(tmp_path)
    names = ["--unit", "site", "--time", "week", "--outcome", "rate"]
    found = answer(cli, "did", csv, *names, "--treated", "arm", "--at", "10", "--events")
    assert found["estimates"][0]["low"] < 3 < found["estimates"][0]["high"]
    assert found["smallest_p"] == pytest.approx(1 / 1287)
    assert "event_+1" in {row["name"] for row in found["sensitivity"]}
    single = answer(cli, "sc", csv, *names, "--treated-unit", "s4", "--at", "10", "--demean")
    assert single["diagnostics"]["of"] == 13


def test_staggered_starts_are_refused(cli: CliRunner, tmp_path: Path) -> None:
    lines = ["unit,time,y,treated"]
    for i, start in enumerate((5, 8, 99, 99)):
        lines += [f"u{i},{t},{t + i},{int(t >= start)}" for t in range(12)]
    with pytest.raises(BadRequest, match="treated sites begin at 2 different times"):
        cli.invoke(app, ["did", write(tmp_path, "\n".join(lines)), "--at", "5"],
                   catch_exceptions=False)  # fmt: skip


def test_bsts_takes_every_other_column_as_control(cli: CliRunner, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    lines = ["day,y,park,quay"]
    for i in range(60):
        park = 50 + rng.normal(0, 5)
        lines.append(f"{i},{park + 4 * (i >= 45) + rng.normal():.2f},{park:.2f},{rng.normal():.2f}")
    csv = write(tmp_path, "\n".join(lines))
    found = answer(cli, "bsts", csv, "--time", "day", "--at", "45", "--draws", "400")
    assert set(found["diagnostics"]["inclusion"]) == {"park", "quay"}
    assert found["estimates"][0]["low"] < 4 < found["estimates"][0]["high"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,y\n1,2\n2,abc\n", r"data.csv line 3: column y is 'abc', not a number"),
        ("time,y\n1,2\n2,3,4\n", r"data.csv line 3: 3 cells, the header has 2"),
        ("time,z\n1,2\n", r"no column 'y'; it has time, z"),
        ("time,y,y\n1,2,3\n", r"line 1: column 'y' is there twice"),
        ("time,y\n1,2\n1,3\n", r"line 3: column time has 1 twice"),
        ("time,y\n1,inf\n2,3\n", r"line 2: column y is inf, not finite"),
        ("time;y\n1;2,5\n2;3\n", r"column y is '2,5', not a number; use a point for decimals"),
        ("time,y\n2020-01-01,2\nyesterday,3\n", r"line 3: column time is 'yesterday'"),
        ("time,y\n", r"a header and no rows"),
        ("", r"empty; the first line must name the columns"),
    ],
)
def test_bad_cells_are_named_by_line_and_column(
    cli: CliRunner, tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(BadTable, match=message):
        cli.invoke(app, ["its", write(tmp_path, text), "--at", "2"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["count2x2"], "give either a CSV or"),
        (["count2x2", "--treated", "5"], "give two numbers, as in 50,30"),
        (["count2x2", "--treated", "5,-1", "--control", "1,2"], "can't be negative"),
        (["count2x2", "--treated", "5,nan", "--control", "1,2"], "finite"),
    ],
)
def test_bad_options_are_named(cli: CliRunner, arguments: list[str], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        cli.invoke(app, arguments, catch_exceptions=False)


def test_an_exposure_of_zero_is_no_exposure(cli: CliRunner, tmp_path: Path) -> None:
    csv = write(tmp_path, "time,y,hours\n1,2,8\n2,0,0\n")
    with pytest.raises(BadTable, match=r"line 3: column hours is 0; an exposure must"):
        cli.invoke(
            app, ["its", csv, "--at", "2", "--exposure", "hours", "--family", "poisson"],
            catch_exceptions=False,
        )  # fmt: skip


def test_a_refusal_prints_its_reason_and_ends_with_1(cli: CliRunner, tmp_path: Path) -> None:
    csv = write(tmp_path, "time,y\n" + "\n".join(f"{i},{i % 5}" for i in range(12)))
    result = cli.invoke(app, ["its", csv, "--at", "6"])
    assert result.exit_code == 1
    assert result.stdout.startswith("No answer: 6 points before and 6 after")
    as_json = cli.invoke(app, ["its", csv, "--at", "6", "--json"])
    assert json.loads(as_json.stdout)["estimates"] == []


@pytest.mark.parametrize("name", ["count2x2", "its", "did", "sc", "bsts"])
def test_every_command_has_help_with_an_example(cli: CliRunner, name: str) -> None:
    result = cli.invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert f"msl evaluate {name}" in " ".join(result.stdout.split())


def test_people_read_the_sentence_first(cli: CliRunner) -> None:
    result = cli.invoke(app, ["count2x2", "--treated", "50,30", "--control", "60,55"])
    assert result.stdout.startswith("Inconclusive: the count: -34.5 %")
    assert "Maryland grade 3 of 5" in result.stdout
