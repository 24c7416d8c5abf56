"""`msl evaluate survey, clock-change, adjust, levels`, and other shapes of CSV for the methods."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from server.evaluation.command import app
from server.evaluation.errors import BadRequest, BadTable
from tests.server.evaluation.conftest import answer, write

WORDS = ("unsafe", "neither", "safe")
COUNTS = {
    ("control", "before"): (40, 30, 30), ("control", "after"): (40, 30, 30),
    ("treated", "before"): (40, 30, 30), ("treated", "after"): (20, 30, 50),
}  # fmt: skip


def grouped_survey() -> str:
    lines = ["answer,arm,period,n"]
    for (arm, period), counts in COUNTS.items():
        lines += [f"{word},{arm},{period},{n}" for word, n in zip(WORDS, counts, strict=True)]
    return "\n".join(lines)


def test_survey_of_grouped_worded_answers(cli: CliRunner, tmp_path: Path) -> None:
    csv = write(tmp_path, grouped_survey())
    found = answer(cli, "survey", csv, "--count", "n", "--order", ",".join(WORDS))
    assert found["n"] == 400
    assert found["estimates"][0]["name"] == "odds_ratio_of_higher_answer"
    assert found["estimates"][0]["low"] > 1
    share = found["estimates"][1]
    assert share["model"] == "share answering 3 or more"
    assert share["value"] == pytest.approx(0.2)
    assert found["diagnostics"]["share_positive"]["treated_after"] == pytest.approx(0.5)


def test_survey_one_row_an_answer_gives_the_same(cli: CliRunner, tmp_path: Path) -> None:
    grouped = answer(cli, "survey", write(tmp_path, grouped_survey()), "--count", "n",
                     "--order", ",".join(WORDS))  # fmt: skip
    rows = ["answer,arm,period"]
    for (arm, period), counts in COUNTS.items():
        for rank, n in enumerate(counts, start=1):
            rows += [f"{rank},{arm},{period}"] * n
    single = answer(cli, "survey", write(tmp_path, "\n".join(rows)), "--threshold", "3")
    assert single["estimates"] == grouped["estimates"]


def test_clusters_that_answer_alike_widen_the_interval(cli: CliRunner, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lines = ["answer,arm,period,street"]
    for arm in ("treated", "control"):
        for period in ("before", "after"):
            for street in range(10):
                mood = rng.integers(1, 6)
                for _ in range(10):
                    lines.append(f"{np.clip(mood + rng.integers(-1, 2), 1, 5)},{arm},{period},"
                                 f"{arm}{period}{street}")  # fmt: skip
    csv = write(tmp_path, "\n".join(lines))
    plain = answer(cli, "survey", csv)
    clustered = answer(cli, "survey", csv, "--cluster", "street")
    assert plain["diagnostics"]["design_effect"] == pytest.approx(1.0)
    assert clustered["diagnostics"]["design_effect"] > 3
    assert clustered["estimates"][0]["se"] > 1.7 * plain["estimates"][0]["se"]


def test_a_word_outside_the_order_is_named(cli: CliRunner, tmp_path: Path) -> None:
    csv = write(tmp_path, "answer,arm,period\ngrand,treated,before\n")
    with pytest.raises(BadTable, match="line 2: column answer is 'grand', not one of bad, good"):
        cli.invoke(app, ["survey", csv, "--order", "bad,good"], catch_exceptions=False)


def hourly(folder: Path) -> str:
    """March and October 2024 in Rome; 50 % more people when 18 or 19 o'clock is bright."""
    lines = ["time,n"]
    for month, change, bright_after in ((3, 31, True), (10, 27, False)):
        for day in range(-20, 21):
            moment = np.datetime64(f"2024-{month:02d}-{change}") + day
            for hour in (13, 14, 18, 19, 21, 22):
                case = hour == (19 if bright_after else 18)
                bright = case and (day > 0) == bright_after
                lines.append(f"{moment} {hour:02d}:00,{150 if bright else 100}")
    return write(folder, "\n".join(lines))


def test_clock_changes_of_a_zone_are_found(cli: CliRunner, tmp_path: Path) -> None:
    found = answer(cli, "clock-change", hourly(tmp_path), "--count", "n", "--zone", "Europe/Rome")
    assert found["diagnostics"]["changes"] == ["2024-03-31", "2024-10-27"]
    assert [row["value"] for row in found["sensitivity"]] == pytest.approx([1.5, 1.5])
    assert found["estimates"][0]["value"] == pytest.approx(1.5)


def test_a_named_change_and_bare_counts(cli: CliRunner, tmp_path: Path) -> None:
    named = answer(cli, "clock-change", hourly(tmp_path), "--count", "n",
                   "--change", "2024-03-31:spring")  # fmt: skip
    assert named["estimates"][0]["value"] == pytest.approx(1.5)
    assert named["estimates"][0]["low"] is None
    bare = answer(cli, "clock-change", "--case", "1000,1620", "--control", "5000,5000")
    row = bare["sensitivity"][0]
    assert (round(row["value"], 2), round(row["low"], 2), round(row["high"], 2)) == (
        1.62, 1.48, 1.77,
    )  # fmt: skip


def test_a_change_without_its_season_is_refused(cli: CliRunner, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="as in 2026-03-29:spring"):
        cli.invoke(app, ["clock-change", hourly(tmp_path), "--count", "n",
                         "--change", "2024-03-31"], catch_exceptions=False)  # fmt: skip


def test_holm_and_benjamini_hochberg(cli: CliRunner) -> None:
    found = answer(cli, "adjust", "--p", "0.01", "--p", "0.04", "--p", "0.03")
    assert [row["holm"] for row in found["rows"]] == pytest.approx([0.03, 0.06, 0.06])
    assert [row["benjamini_hochberg"] for row in found["rows"]] == pytest.approx([0.03, 0.04, 0.04])


def test_levels_are_averaged_as_energy_by_day(cli: CliRunner, tmp_path: Path) -> None:
    csv = write(tmp_path, "t,laeq,s\n2026-03-01T22:00,60,60\n2026-03-01T22:01,50,60\n"
                "2026-03-02T22:00,50,30\n2026-03-02T22:01,,0\n")  # fmt: skip
    rows = answer(cli, "levels", csv, "--time", "t", "--seconds", "s")["rows"]
    assert [row["laeq"] for row in rows] == pytest.approx([57.4036, 50.0], abs=1e-4)
    assert rows[1]["weight"] == 30


def test_did_of_a_row_a_site_with_covariates(cli: CliRunner, tmp_path: Path) -> None:
    lines = ["store,nj,chain,before,after"]
    for i in range(24):
        nj, chain = i % 2, "abc"[i % 3]
        lines.append(f"{i},{nj},{chain},{10 + i % 5},{12 + i % 5 + 3 * nj + ('abc'.index(chain))}")
    csv = write(tmp_path, "\n".join(lines))
    found = answer(cli, "did", csv, "--unit", "store", "--before", "before", "--after", "after",
                   "--treated", "nj", "--covariate", "chain")  # fmt: skip
    assert found["estimates"][0]["value"] == pytest.approx(3.0)
    held = [row for row in found["sensitivity"] if row["name"] == "did_adjusted"]
    assert [row["value"] for row in held] == pytest.approx([3.0, 3.0])
    assert "chain=b, chain=c" in held[0]["model"]


def test_sc_and_did_of_a_column_a_site(cli: CliRunner, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    lines = ["week,a,b,c,d"]
    for week in range(24):
        common = np.sin(week) + week / 10
        cells = [10 + i + common + rng.normal(0, 0.1) + 2 * (i == 0 and week >= 16)
                 for i in range(4)]  # fmt: skip
        lines.append(",".join([str(week), *(f"{cell:.3f}" for cell in cells)]))
    csv = write(tmp_path, "\n".join(lines))
    wide = ["--wide", "--time", "week", "--at", "16", "--treated-unit", "a"]
    assert answer(cli, "did", csv, *wide)["estimates"][0]["value"] == pytest.approx(2, abs=0.2)
    single = answer(cli, "sc", csv, *wide, "--demean")
    assert single["estimates"][0]["value"] == pytest.approx(2, abs=0.2)


def test_a_given_dispersion_and_other_column_names(cli: CliRunner, tmp_path: Path) -> None:
    csv = write(tmp_path, "zone,b,a\ntreated,50,30\ncontrol,60,55\n")
    found = answer(cli, "count2x2", csv, "--rename", "zone=arm", "--rename", "b=before",
                   "--rename", "a=after", "--phi", "1")  # fmt: skip
    row = found["estimates"][0]
    assert (row["name"], row["model"]) == ("rirr", "phi 1 given")
    assert (round(row["low"], 3), round(row["high"], 3)) == (0.366, 1.171)


@pytest.mark.parametrize("name", ["survey", "clock-change", "adjust", "levels"])
def test_every_command_has_help_with_an_example(cli: CliRunner, name: str) -> None:
    result = cli.invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert f"msl evaluate {name}" in " ".join(result.stdout.split())
