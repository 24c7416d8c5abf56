"""No picture gets out: tried live, and the trial itself is tried with a leak."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import edge
from edge.sensors.footfall import privacy
from edge.sensors.footfall.privacy import ATTEMPTS, Outcome, attempt, check
from edge.sensors.footfall.privacy_command import privacy_check

EDGE = Path(edge.__file__).parent
# The one file that tries to save a picture, in order to be killed for it.
ATTEMPTER = EDGE / "sensors" / "footfall" / "vision" / "escapes.py"


@pytest.mark.parametrize(
    "word", ["imwrite", "imencode", "VideoWriter", "np.save", "tofile", "imshow"]
)
def test_no_source_can_write_a_picture(word: str) -> None:
    files = [path for path in EDGE.rglob("*.py") if path != ATTEMPTER]
    assert [path.name for path in files if word in path.read_text()] == []


def test_every_way_out_is_closed_and_the_counter_still_counts() -> None:
    findings = check()
    assert {finding.what: finding.outcome for finding in findings if not finding.good} == {}
    assert findings[0].outcome is Outcome.WORKS
    assert len(findings) == len(ATTEMPTS) + 4


@pytest.mark.parametrize(
    ("name", "leak"),
    [
        ("connect_out", "socket"),
        ("write_file", "openat"),
        ("make_memory_file", "memfd_create"),
        ("write_elsewhere", "write"),
    ],
)
def test_a_planted_leak_is_caught(name: str, leak: str) -> None:
    assert attempt(name, "leak", (leak,)).outcome is Outcome.ESCAPED


def test_a_process_that_dies_before_the_attempt_proves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(privacy, "ESCAPES", "edge.sensors.footfall.no_such_module")
    assert attempt("fork", "fork").outcome is Outcome.NOT_TRIED
    assert privacy.control().outcome is Outcome.BROKEN


def test_the_command_fails_on_a_leak_and_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: ATTEMPTS[name] for name in ("fork", "make_memory_file")}
    monkeypatch.setattr(privacy, "ATTEMPTS", few)
    app = typer.Typer()
    app.command()(privacy_check)
    result = CliRunner().invoke(app, ["--json", "--plant-leak", "memfd_create"])
    assert result.exit_code == 1
    bad = [row["what"] for row in json.loads(result.stdout) if not row["good"]]
    assert bad == [ATTEMPTS["make_memory_file"]]
