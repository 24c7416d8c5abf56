"""`msl-node validate`: a manual tally against the counter, as an event for the server."""

import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from contract.events import Validation
from contract.lux_bands import lux_band
from edge.command_spool import NodeRuns, hold_spool, state_dir
from edge.config_store import ConfigStore
from edge.errors import SettingsError
from edge.handover import Handover
from edge.recent_windows import CountedWindow, read_recent
from edge.settings import Settings, load
from edge.tally import HELP, Tally, tally_until
from edge.validation import (
    METHOD,
    CannotValidate,
    Counted,
    Factor,
    counted_between,
    factor,
)

# The counter's record of a window comes some seconds after its end.
RECORD_WAIT_S = 90.0


def validate(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The node's settings file (node.toml).")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", help="One setting as name=value; repeatable."),
    ] = None,
    line: Annotated[
        str | None, typer.Option(help="The line that was watched; the only one unless given.")
    ] = None,
    manual_a_to_b: Annotated[int | None, typer.Option(min=0, help="Tallied by hand.")] = None,
    manual_b_to_a: Annotated[int | None, typer.Option(min=0, help="Tallied by hand.")] = None,
    from_t: Annotated[
        str | None, typer.Option("--from", help="Begin of the tally, with its zone.")
    ] = None,
    to_t: Annotated[
        str | None, typer.Option("--to", help="End of the tally, with its zone.")
    ] = None,
    operator: Annotated[str | None, typer.Option(help="Who counted by hand.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count by hand what the counter counts, and send both to the server.

    Without numbers it waits for the counter's next window (15 minutes) and takes a key for each
    person; with numbers they are compared with the windows from --from to --to. The node must run
    meanwhile. The factor is crossings by hand over crossings counted, with the exact conditional
    95 % interval of a ratio of two Poisson counts.

    Example: msl-node validate --config node.toml

    Example: msl-node validate -c node.toml --manual-a-to-b 31 --manual-b-to-a 28
    --from 2026-05-01T14:15+02:00 --to 2026-05-01T14:30+02:00 --json
    """
    settings = load(config, overrides or ())
    given = (manual_a_to_b, manual_b_to_a, from_t, to_t)
    if any(value is not None for value in given):
        if manual_a_to_b is None or manual_b_to_a is None or from_t is None or to_t is None:
            raise SettingsError(
                "give all of --manual-a-to-b, --manual-b-to-a, --from and --to, or none of them"
            )
        manual, from_ms, to_ms = (manual_a_to_b, manual_b_to_a), _ms(from_t), _ms(to_t)
        windows = read_recent(_recent_file(settings))
    else:
        manual, from_ms, to_ms, windows = _tallied(settings)
    line = line or _only_line(windows, from_ms, to_ms)
    counted = counted_between(windows, line, from_ms, to_ms)
    ratio = factor(sum(manual), counted.a_to_b + counted.b_to_a)
    body = Validation(
        line=line,
        from_t=from_ms,
        to_t=to_ms,
        manual_a_to_b=manual[0],
        manual_b_to_a=manual[1],
        counted_a_to_b=counted.a_to_b,
        counted_b_to_a=counted.b_to_a,
        lux_p50=counted.lux_p50,
        operator=operator,
    )
    handed = _send(settings, body, simulated=counted.simulated)
    if as_json:
        typer.echo(json.dumps(_as_json(body, counted, ratio)))
        return
    for text in _said(body, ratio, handed=handed):
        typer.echo(text)


def _tallied(settings: Settings) -> tuple[tuple[int, int], int, int, list[CountedWindow]]:
    """Hands and counter over the next whole window."""
    stored = ConfigStore(state_dir(settings) / "config.json").load()
    windows = (stored and stored.windows) or settings.windows()
    dur_s = windows.footfall_s
    begin_s = (int(time.time()) // dur_s + 1) * dur_s
    typer.echo(
        f"the next window begins at {_clock(begin_s)} and lasts {dur_s / 60:g} minutes\n{HELP}",
        err=True,
    )
    while (left_s := begin_s - time.time()) > 0:
        _show(f"begins in {left_s:4.0f} s")
        time.sleep(min(1.0, left_s))
    tally = tally_until(begin_s + dur_s, _show_tally)
    typer.echo(err=True)
    if tally.given_up:
        raise CannotValidate("given up; nothing was sent")
    end_ms = (begin_s + dur_s) * 1000
    return (tally.a_to_b, tally.b_to_a), begin_s * 1000, end_ms, _windows_to(settings, end_ms)


def _windows_to(settings: Settings, end_ms: int) -> list[CountedWindow]:
    """The counter's windows once the last one is there."""
    until_s = time.monotonic() + RECORD_WAIT_S
    while time.monotonic() < until_s:
        windows = read_recent(_recent_file(settings))
        if windows and windows[-1].end_ms >= end_ms:
            return windows
        time.sleep(1.0)
    raise CannotValidate(
        f"the counter gave no window within {RECORD_WAIT_S:g} s of its end; does msl-node run, with"
        " a camera?"
    )


def _send(settings: Settings, body: Validation, *, simulated: bool) -> bool:
    """Into the spool, or to the agent that has it; True when it was handed to the agent."""
    try:
        with hold_spool(settings, simulated=simulated) as spool:
            spool.event(body)
            spool.flush()
    except NodeRuns:
        marked = simulated or settings.flag("simulated")
        Handover(state_dir(settings)).leave(body, simulated=marked)
        return True
    return False


def _only_line(windows: Sequence[CountedWindow], from_ms: int, to_ms: int) -> str:
    names = {
        one.line for w in windows if from_ms <= w.t_ms < to_ms for one in w.lines
    } or {one.line for w in windows for one in w.lines}  # fmt: skip
    if len(names) != 1:
        known = ", ".join(sorted(names)) or "none: the counter has no window yet"
        raise SettingsError(f"say which --line was watched; this node counts {known}")
    return names.pop()


def _recent_file(settings: Settings) -> Path:
    return state_dir(settings) / "recent.json"


def _ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"time {text!r} can't be read; e.g. 2026-05-01T14:15+02:00") from None
    if moment.tzinfo is None:
        raise SettingsError(f"time {text!r} has no zone; e.g. {text}+02:00 or {text}Z")
    return round(moment.timestamp() * 1000)


def _clock(utc_s: float) -> str:
    return datetime.fromtimestamp(utc_s).astimezone().strftime("%H:%M:%S")


def _show(text: str) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r\x1b[K{text}", err=True, nl=False)


def _show_tally(tally: Tally, left_s: float) -> None:
    _show(f"A to B {tally.a_to_b}   B to A {tally.b_to_a}   {left_s:4.0f} s left")


def _as_json(body: Validation, counted: Counted, ratio: Factor) -> dict[str, Any]:
    return {
        "line": body.line,
        "from_ms": body.from_t,
        "to_ms": body.to_t,
        "manual": {"a_to_b": body.manual_a_to_b, "b_to_a": body.manual_b_to_a},
        "counted": {"a_to_b": body.counted_a_to_b, "b_to_a": body.counted_b_to_a},
        "factor": None if ratio.value is None else round(ratio.value, 4),
        "low": round(ratio.low, 4),
        "high": None if ratio.high is None else round(ratio.high, 4),
        "n": ratio.n,
        "method": METHOD,
        "lux_p50": body.lux_p50,
        "lux_band": lux_band(body.lux_p50),
        "simulated": counted.simulated,
    }


def _said(body: Validation, ratio: Factor, *, handed: bool) -> list[str]:
    value = "none: nobody was counted" if ratio.value is None else f"{ratio.value:.3f}"
    high = "no upper end" if ratio.high is None else f"{ratio.high:.3f}"
    where = "handed to the running node" if handed else "spooled: start the node, it delivers it"
    light = lux_band(body.lux_p50) or "unknown: no light sensor ran"
    return [
        f"line {body.line}: {_clock(body.from_t / 1000)} to {_clock(body.to_t / 1000)}",
        f"by hand   A to B {body.manual_a_to_b:5}   B to A {body.manual_b_to_a:5}",
        f"counted   A to B {body.counted_a_to_b:5}   B to A {body.counted_b_to_a:5}",
        f"factor    {value}   95 %: {ratio.low:.3f} to {high}   n = {ratio.n}",
        f"          {METHOD}",
        f"light     {light}",
        where,
    ]
