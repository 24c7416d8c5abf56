import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.lighting.command import app
from server.lighting.csv_samples import BadCsv, read_feeders, read_samples

PLACE = ["--site-lat", "52.5", "--site-lon", "13.4"]


def test_recompute_prints_a_list_of_episodes(street: Callable, tmp_path: Path) -> None:  # type: ignore[type-arg]
    here = street(25)
    lit = here.lit()
    lit[here.minute(20) :] = 0
    samples = here.samples(lit)
    file = tmp_path / "lux.csv"
    rows = (f"{t},a,{lux:.2f}" for t, lux in zip(samples.t_s, samples.lux, strict=True))
    file.write_text("t,node,lux\n" + "\n".join(rows) + "\n")
    result = CliRunner().invoke(app, ["recompute", "--from-csv", str(file), *PLACE, "--json"])
    assert result.exit_code == 0, result.output
    (episode,) = json.loads(result.stdout)
    assert (episode["node"], episode["kind"], episode["to"]) == ("a", "lampFailure", None)
    assert episode["source"] == "optical-inferred"
    assert isinstance(episode["from"], int)


def test_an_empty_lux_is_a_gap(tmp_path: Path) -> None:
    file = tmp_path / "lux.csv"
    file.write_text("node,t,lux,more\na,1736506800,,x\na,1736506860,0,x\n")
    samples = read_samples(file)["a"]
    assert str(samples.lux.tolist()) == "[nan, 0.0]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t,lamp,lux\n", "line 1: no column node; seen: t, lamp, lux"),
        ("t,node,lux\n", "no rows under the header"),
        ("t,node,lux\n1736506800,a,1\n1736506860,a,dark\n", "line 3, column lux: saw 'dark'"),
        ("t,node,lux\n1736506800000,a,1\n", "line 2, column t: saw '1736506800000'"),
        ("t,node,lux\n1736506800,a,-3\n", "line 2, column lux: saw '-3'"),
        ("t,node,lux\n1736506800,a,1\n1736506860,a\n", "line 3: 2 columns where 3 were due"),
    ],
    ids=["no node", "empty", "word", "milliseconds", "negative", "ragged"],
)
def test_a_bad_csv_names_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "lux.csv"
    file.write_text(text)
    with pytest.raises(BadCsv, match=message):
        read_samples(file)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadCsv, match="No such file"):
        read_samples(tmp_path / "none.csv")


def test_feeders_are_read_by_node(tmp_path: Path) -> None:
    file = tmp_path / "feeders.csv"
    file.write_text("feeder,node\nF1,a\nF1,b\n")
    assert read_feeders(file) == {"a": "F1", "b": "F1"}
