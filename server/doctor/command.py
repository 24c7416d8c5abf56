"""`msl doctor`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from server.doctor.examine import examine, worst
from server.doctor.finding import Finding, State
from server.registry.printing import print_json
from server.settings import load

app = typer.Typer(add_completion=False)

EXIT_CODE = {State.OK: 0, State.WARN: 1, State.FAILED: 2}


@app.command()
def run(
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """One screen: broker, certificates, database, rollups, ingest, gaps, disk, clock.

    Changes nothing. Exit codes: 0 all is well, 1 something wants attention, 2 something failed.

    Example: msl doctor
    """
    findings: list[Finding] = []
    for finding in examine(load(settings)):
        findings.append(finding)
        if not as_json:
            _say(finding)
    state = worst(findings)
    if as_json:
        print_json({"state": state, "findings": [asdict(finding) for finding in findings]})
    raise typer.Exit(EXIT_CODE[state])


def _say(finding: Finding) -> None:
    typer.echo(f"{finding.check:<14} {finding.state:<7} {finding.detail}")
    if finding.next_act:
        typer.echo(f"{'':<14} {'':<7} -> {finding.next_act}")
