"""`msl-node`: the node's command. Parts are imported when used, so that --help is quick."""

import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from edge.errors import NodeError, SettingsError

EXIT_FAILED = 1
EXIT_USAGE = 2

app = typer.Typer(
    help="A Municipal Safety Lab node: measures light, noise and footfall, and delivers once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# The command behind parses these arguments, its own --help included.
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="The node's settings file (node.toml).")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", "-s", help="One setting as name=value; repeatable.", metavar="NAME=VALUE"
    ),
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]


@app.command()
def run(
    config: ConfigOption = None,
    overrides: SetOption = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Read files as fast as possible, on their own time.")
    ] = False,
    once: Annotated[
        bool,
        typer.Option("--once", help="End with the inputs, when the server has acknowledged all."),
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Measure and deliver until stopped (Ctrl-C or SIGTERM).

    Exit codes: 0 done, 1 failed, 2 settings can't be used, 3 with --once: not everything was
    acknowledged.

    Example: msl-node run --config node.toml

    Example: msl-node run -s node_id=demo-1 -s footfall.source=clip.avi --fast --once
    """
    from edge.settings import load

    log_to_stderr(verbose)
    settings = load(config, overrides or ())
    from edge.agent import Agent, Mode

    agent = Agent(settings, Mode(fast=fast, once=once))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    raise typer.Exit(agent.run())


@app.command()
def selftest(
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check clock, disk, spool, every sensor and the broker; exit 1 when one fails.

    Example: msl-node selftest --config node.toml
    """
    import json

    from edge.selftest import selftest as outcomes
    from edge.settings import load

    log_to_stderr(verbose=False)
    results = []
    for outcome in outcomes(load(config, overrides or ())):
        results.append(outcome)
        if not as_json:
            mark = {True: "ok", False: "FAILED", None: "-"}[outcome.ok]
            typer.echo(f"{outcome.check:<10} {mark:<7} {outcome.detail}")
    if as_json:
        typer.echo(json.dumps({o.check: {"ok": o.ok, "detail": o.detail} for o in results}))
    raise typer.Exit(EXIT_FAILED if any(o.ok is False for o in results) else 0)


@app.command()
def settings() -> None:
    """List every setting with its unit, meaning and default.

    Example: msl-node settings | grep noise
    """
    from edge.settings import describe

    typer.echo(describe())


@app.command()
def simulate(
    pilot: Annotated[
        Path | None, typer.Argument(help="TOML of the pilot: broker, nodes, their files.")
    ] = None,
    folder: Annotated[
        Path, typer.Option(help="Where settings, spools and logs of the nodes go.")
    ] = Path("simulated"),
    records: Annotated[
        int,
        typer.Option(help="Instead of sensors: this many ready records of every stream, per node."),
    ] = 0,
    per_s: Annotated[
        float, typer.Option(help="With --records: records a second and stream; 0: no limit.")
    ] = 0.0,
    example: Annotated[bool, typer.Option("--example", help="Print a pilot file.")] = False,
    verbose: VerboseOption = False,
) -> None:
    """Run emulated nodes: the real agent on emulated hardware, everything marked SIMULATED.

    Example: msl-node simulate --example > pilot.toml

    Example: msl-node simulate pilot.toml --folder simulated

    Example: msl-node simulate pilot.toml --records 5000 --per-s 500
    """
    from edge.simulate.pilot import EXAMPLE, load_pilot
    from edge.simulate.run_pilot import run_pilot, send_records

    log_to_stderr(verbose)
    if example:
        typer.echo(EXAMPLE, nl=False)
        return
    if pilot is None:
        raise SettingsError("no pilot file given; msl-node simulate --example prints one")
    nodes = load_pilot(pilot)
    if records:
        raise typer.Exit(send_records(nodes, folder, records, per_s))
    raise typer.Exit(run_pilot(nodes, folder))


@app.command(context_settings=PASSED_ON, add_help_option=False)
def level(context: typer.Context) -> None:
    """Print the sound levels of a WAV file (msl-node level --help)."""
    from edge.sensors.noise.command import level as command

    pass_on(command, context)


@app.command(context_settings=PASSED_ON, add_help_option=False)
def count(context: typer.Context) -> None:
    """Count people who cross a line in a video (msl-node count --help)."""
    from edge.sensors.footfall.command import count as command

    pass_on(command, context)


@app.command(context_settings=PASSED_ON, add_help_option=False)
def aim(context: typer.Context) -> None:
    """Place the camera by a picture without people (msl-node aim --help)."""
    from edge.sensors.footfall.aim_command import aim as command

    pass_on(command, context)


@app.command(context_settings=PASSED_ON, add_help_option=False)
def bench(context: typer.Context) -> None:
    """Measure what this machine can do (msl-node bench --help)."""
    from edge.sensors.bench_command import bench as command

    pass_on(command, context)


@app.command(context_settings=PASSED_ON, add_help_option=False)
def model(context: typer.Context) -> None:
    """Add or list the detector's weight files (msl-node model --help)."""
    from edge.sensors.footfall.model_command import model as commands

    commands(args=context.args, prog_name=context.command_path)


@app.command(context_settings=PASSED_ON, add_help_option=False)
def calibrate(context: typer.Context) -> None:
    """Calibrate light or noise against a reference (msl-node calibrate --help)."""
    from edge.calibrate_command import calibrate as commands

    commands(args=context.args, prog_name=context.command_path)


@app.command(context_settings=PASSED_ON, add_help_option=False)
def validate(context: typer.Context) -> None:
    """Compare a manual tally with the counter (msl-node validate --help)."""
    from edge.validate_command import validate as command

    pass_on(command, context)


@app.command(context_settings=PASSED_ON, add_help_option=False)
def export(context: typer.Context) -> None:
    """Carry the spool of a node without uplink on a stick (msl-node export --help)."""
    from edge.export_command import export as command

    pass_on(command, context)


@app.command(context_settings=PASSED_ON, add_help_option=False)
def enrol(context: typer.Context) -> None:
    """Get or renew this node's certificate (msl-node enrol --help)."""
    from edge.enrol_command import enrol as command

    pass_on(command, context)


@app.command(name="privacy-check", context_settings=PASSED_ON, add_help_option=False)
def privacy_check(context: typer.Context) -> None:
    """Try every way out of the process that sees pictures (msl-node privacy-check --help)."""
    from edge.sensors.footfall.privacy_command import privacy_check as command

    pass_on(command, context)


def pass_on(command: Callable[..., None], context: typer.Context) -> None:
    """Run a sensor's own command; it lives beside its sensor and is imported only now."""
    own = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    own.command()(command)
    own(args=context.args, prog_name=context.command_path)


def log_to_stderr(verbose: bool) -> None:
    """Log lines to stderr; the journal adds the time."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(levelname).1s %(name)s: %(message)s",
    )


def main() -> None:
    """Entry point: errors of our own become one line and an exit code."""
    try:
        app()
    except SettingsError as error:
        _say(error)
        sys.exit(EXIT_USAGE)
    except NodeError as error:
        _say(error)
        sys.exit(EXIT_FAILED)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] in ("edge", "contract"):
            raise
        typer.echo(
            f"error: {error.name} is not installed; pip install 'municipal-safety-lab[edge]'",
            err=True,
        )
        sys.exit(EXIT_FAILED)


def _say(error: Exception) -> None:
    typer.echo(f"error: {error}", err=True)
