"""`msl-node calibrate light`: a lux sensor against a reference meter, as an event."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from contract.events import Calibration
from edge.calibration_notes import CalibrationNote, read_note, write_note
from edge.command_spool import hold_spool, sensor_clock, state_dir
from edge.errors import CalibrationRefused, SettingsError
from edge.feeds.light import EMULATED, LightFeed, light_feed
from edge.sensors.light.calibration import (
    LEAST_LEVELS_N,
    Level,
    LightCalibration,
    LuxReading,
    check_dark,
    check_level,
    light_calibration,
    read_lux,
)
from edge.settings import Settings, load
from edge.simulate.light_bench import LightBench
from edge.technician import Technician

QUANTITY: Final = "light"
# Dim, as under a street lamp, bright: they need only differ.
SUGGESTED = ("about 5 lx", "about 50 lx", "500 lx or more")


def calibrate_light(
    reference: Annotated[
        str, typer.Option(help="The lux meter, with its serial number: it stands in the record.")
    ],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The node's settings file (node.toml).")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", help="One setting as name=value; repeatable."),
    ] = None,
    reference_lux: Annotated[
        list[float] | None,
        typer.Option(help="What the meter reads at each level, in turn; asked for unless given."),
    ] = None,
    meter_share: Annotated[
        float, typer.Option(help="Share by which the meter may be wrong.", min=0, max=0.5)
    ] = 0.05,
    operator: Annotated[str | None, typer.Option(help="Who calibrates.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing, for scripts.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Calibrate the light sensor: once in the dark, then at three or more levels of light.

    Hold the meter's head beside the dome. Refuses readings that disagree and says which. The node
    applies nothing: gain and offset go to the server as an event, for an engineer to accept
    (msl calibration pending). Stop the node first.

    Example: msl-node calibrate light --config node.toml --reference "Konica T-10A no. 4711"

    Example: msl-node calibrate light -c node.toml --reference "T-10A no. 4711"
    --reference-lux 5.2 --reference-lux 48 --reference-lux 510 --yes --json
    """
    if yes and not reference_lux:
        raise SettingsError("--yes asks nothing: give --reference-lux three times or more")
    settings = load(config, overrides or ())
    bench = LightBench()
    emulated = settings.text("light.source").startswith(EMULATED)
    feed = light_feed(settings, sensor_clock(time.time(), emulated=emulated), bench)
    if feed is None:
        raise SettingsError("light.source is off: there is no sensor to calibrate")
    technician = Technician(asks=not yes, quiet=as_json)
    with hold_spool(settings, simulated=feed.simulated) as spool:
        dark, levels = _walk(feed, bench, technician, reference_lux or ())
        last = read_note(state_dir(settings), QUANTITY)
        done = light_calibration(
            dark.lux, levels, meter_share=meter_share, last_gain=None if last is None else last.gain
        )
        if not technician.confirms(
            f"gain {done.gain:.3f}, offset {done.offset_lx:+.3f} lx: send it to the server?"
        ):
            raise CalibrationRefused("not sent: you said no; nothing was recorded")
        spool.event(_event(done, levels, reference, operator))
        spool.flush()
        _remember(settings, done, reference)
    if as_json:
        typer.echo(json.dumps(_as_json(done, dark, levels, reference, simulated=feed.simulated)))
        return
    for line in _said(done, dark, levels):
        typer.echo(line)


def _walk(
    feed: LightFeed, bench: LightBench, technician: Technician, given: Sequence[float]
) -> tuple[LuxReading, list[Level]]:
    """The reading in the dark, and each level's; raises `CalibrationRefused`."""
    technician.wait("cover the sensor so that no light gets in")
    bench.lux = 0.0
    dark = read_lux(feed.readings())
    check_dark(dark)
    technician.say(f"dark: {dark.lux:.3f} lx")
    levels = []
    for number in range(len(given) or LEAST_LEVELS_N):
        level = f"{given[number]:g} lx by the meter" if given else SUGGESTED[number]
        uncover = "uncover it and " if number == 0 else ""
        technician.wait(f"{uncover}set the light to {level}, the meter's head beside the dome")
        reference_lx = given[number] if given else technician.number("the meter reads (lx)")
        bench.lux = reference_lx
        reading = read_lux(feed.readings())
        check_level(reading, reference_lx)
        technician.say(f"{reference_lx:g} lx by the meter: the sensor reads {reading.lux:.3f} lx")
        levels.append(Level(reference_lx, reading.lux))
    return dark, levels


def _event(
    done: LightCalibration, levels: Sequence[Level], reference: str, operator: str | None
) -> Calibration:
    read_at = ", ".join(f"{level.reference_lx:g}" for level in levels)
    return Calibration(
        quantity=QUANTITY,
        gain=round(done.gain, 4),
        offset=round(done.offset_lx, 4),
        as_found=round(done.middle.sensor_lx, 3),
        as_left=round(done.as_left_lx, 3),
        drift=None if done.drift_share is None else round(done.drift_share, 4),
        uncertainty=round(done.uncertainty_lx, 3),
        reference=f"{reference}, at {read_at} lx",
        operator=operator,
    )


def _remember(settings: Settings, done: LightCalibration, reference: str) -> None:
    note = CalibrationNote(
        t_ms=int(time.time() * 1000),
        gain=done.gain,
        offset=done.offset_lx,
        as_found=done.middle.sensor_lx,
        reference_value=done.middle.reference_lx,
        reference=reference,
    )
    write_note(state_dir(settings), QUANTITY, note)


def _as_json(
    done: LightCalibration,
    dark: LuxReading,
    levels: Sequence[Level],
    reference: str,
    *,
    simulated: bool,
) -> dict[str, object]:
    return {
        "quantity": QUANTITY,
        "reference": reference,
        "dark_lx": round(dark.lux, 4),
        "levels": [
            {"reference_lx": level.reference_lx, "sensor_lx": round(level.sensor_lx, 4)}
            for level in levels
        ],
        "gain": round(done.gain, 4),
        "offset_lx": round(done.offset_lx, 4),
        "as_found_lx": round(done.middle.sensor_lx, 3),
        "as_left_lx": round(done.as_left_lx, 3),
        "drift_share": None if done.drift_share is None else round(done.drift_share, 4),
        "uncertainty_lx": round(done.uncertainty_lx, 3),
        "ratio_spread_share": round(done.ratio_spread_share, 4),
        "simulated": simulated,
    }


def _said(done: LightCalibration, dark: LuxReading, levels: Sequence[Level]) -> list[str]:
    drift = "none known: the first one of this sensor here"
    if done.drift_share is not None:
        drift = f"{done.drift_share:+.1%} since the last calibration"
    at = f"at {done.middle.reference_lx:g} lx by the meter"
    return [
        f"dark         {dark.lux:9.3f} lx",
        *(
            f"level        {level.reference_lx:9.3f} lx by the meter,"
            f" {level.sensor_lx:.3f} lx by the sensor"
            for level in levels
        ),
        f"gain         {done.gain:9.4f}     (the levels differ by {done.ratio_spread_share:.1%})",
        f"offset       {done.offset_lx:+9.4f} lx  (both applied by the server alone)",
        f"as found     {done.middle.sensor_lx:9.3f} lx  {at}",
        f"as left      {done.as_left_lx:9.3f} lx",
        f"uncertainty  {done.uncertainty_lx:9.3f} lx  (standard, {at})",
        f"drift        {drift}",
        "spooled: start the node, it delivers the event; an engineer accepts it with"
        " msl calibration accept",
    ]
