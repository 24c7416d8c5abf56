"""`msl-node calibrate noise`: a sound calibrator on the microphone, as an event for the server."""

import json
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from contract.events import Calibration
from edge.calibration_notes import CalibrationNote, read_note, write_note
from edge.command_spool import hold_spool, sensor_clock, state_dir
from edge.errors import CalibrationRefused, SettingsError
from edge.feeds.noise import noise_feed
from edge.sensors.noise.calibration import (
    DRIFT_DOUBT_DB,
    NoiseCalibration,
    ToneReading,
    check_tone,
    noise_calibration,
    read_tone,
)
from edge.settings import Settings, load
from edge.technician import Technician

QUANTITY: Final = "noise"


def calibrate_noise(
    reference: Annotated[
        str, typer.Option(help="The calibrator, with its serial number: it stands in the record.")
    ],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The node's settings file (node.toml).")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", help="One setting as name=value; repeatable."),
    ] = None,
    level_db: Annotated[float, typer.Option(help="What it gives, at 1 kHz.")] = 94.0,
    limit_db: Annotated[
        float, typer.Option(help="By how much it may be wrong: 0.25 class 1, 0.4 class 2.")
    ] = 0.4,
    seconds: Annotated[float, typer.Option(min=5, help="Length of each of two readings.")] = 10.0,
    operator: Annotated[str | None, typer.Option(help="Who calibrates.")] = None,
    new_microphone: Annotated[
        bool, typer.Option("--new-microphone", help="It was changed: no drift is computed.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing, for scripts.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Calibrate the microphone with a 1 kHz source, 94 dB unless said otherwise.

    Two readings, the calibrator taken off and put on between them. Refuses what can't be right
    and says what to try. The node applies nothing: the offset goes to the server as an event, for
    an engineer to accept (msl calibration pending). Stop the node first.

    Example: msl-node calibrate noise --config node.toml --reference "B&K 4231 no. 2718"

    Example: msl-node calibrate noise -c node.toml --reference "NC-75 no. 7" --yes --json
    """
    settings = load(config, overrides or ())
    technician = Technician(asks=not yes, quiet=as_json)
    found, done, simulated = _measure(
        settings, technician, level_db, limit_db, seconds, reference, operator, new_microphone
    )
    if as_json:
        typer.echo(json.dumps(_as_json(found, done, level_db, reference, simulated=simulated)))
        return
    for line in _said(found, done):
        typer.echo(line)


def _measure(
    settings: Settings,
    technician: Technician,
    level_db: float,
    limit_db: float,
    seconds: float,
    reference: str,
    operator: str | None,
    new_microphone: bool,
) -> tuple[ToneReading, NoiseCalibration, bool]:
    """Both readings, and the event in the spool; raises `CalibrationRefused`."""
    emulated = settings.text("noise.source").partition(":")[0] != "alsa"
    feed = noise_feed(settings, sensor_clock(time.time(), emulated=emulated), level_db)
    if feed is None:
        raise SettingsError("noise.source is off: there is no microphone to calibrate")
    with hold_spool(settings, simulated=feed.simulated) as spool:
        technician.wait(f"switch the calibrator on ({level_db:g} dB, 1 kHz) and put it on")
        found = read_tone(feed.readings(), seconds)
        check_tone(found, level_db)
        technician.say(f"as found {found.laeq_db:.2f} dB, steady within {found.spread_db:.2f} dB")
        technician.wait("take the calibrator off and put it on again")
        again = read_tone(feed.readings(), seconds)
        check_tone(again, level_db)
        last = read_note(state_dir(settings), QUANTITY)
        done = noise_calibration(
            found,
            again,
            level_db,
            limit_db=limit_db,
            last_as_found_db=None
            if last is None
            else last.as_found - last.reference_value + level_db,
            other_microphone=new_microphone,
        )
        if not technician.confirms(f"offset {done.offset_db:+.2f} dB: send it to the server?"):
            raise CalibrationRefused("not sent: you said no; nothing was recorded")
        spool.event(
            Calibration(
                quantity=QUANTITY,
                offset=round(done.offset_db, 2),
                as_found=round(done.as_found_db, 2),
                as_left=round(done.as_left_db, 2),
                drift=None if done.drift_db is None else round(done.drift_db, 2),
                uncertainty=round(done.uncertainty_db, 3),
                reference=f"{reference}, {level_db:g} dB",
                operator=operator,
            )
        )
        spool.flush()
        note = CalibrationNote(
            t_ms=int(time.time() * 1000),
            gain=1.0,
            offset=done.offset_db,
            as_found=done.as_found_db,
            reference_value=level_db,
            reference=reference,
        )
        write_note(state_dir(settings), QUANTITY, note)
    return found, done, feed.simulated


def _as_json(
    found: ToneReading, done: NoiseCalibration, level_db: float, reference: str, *, simulated: bool
) -> dict[str, object]:
    drift_db = done.drift_db
    return {
        "quantity": QUANTITY,
        "reference": reference,
        "level_db": level_db,
        "as_found_db": round(done.as_found_db, 2),
        "as_left_db": round(done.as_left_db, 2),
        "offset_db": round(done.offset_db, 2),
        "drift_db": None if drift_db is None else round(drift_db, 2),
        "uncertainty_db": round(done.uncertainty_db, 3),
        "spread_db": round(found.spread_db, 3),
        "simulated": simulated,
    }


def _said(found: ToneReading, done: NoiseCalibration) -> list[str]:
    drift_db = done.drift_db
    drift = "none known: the first one of this microphone here"
    if drift_db is not None:
        doubt = abs(drift_db) > DRIFT_DOUBT_DB
        drift = f"{drift_db:+.2f} dB since the last calibration"
        drift += f"; over {DRIFT_DOUBT_DB:g} dB: levels in between are doubtful" if doubt else ""
    return [
        f"as found     {done.as_found_db:7.2f} dB  (nominal sensitivity,"
        f" steady within {found.spread_db:.2f} dB)",
        f"offset       {done.offset_db:+7.2f} dB  (applied by the server alone)",
        f"as left      {done.as_left_db:7.2f} dB  (second reading with the offset)",
        f"uncertainty  {done.uncertainty_db:7.2f} dB  (standard)",
        f"drift        {drift}",
        "spooled: start the node, it delivers the event; an engineer accepts it with"
        " msl calibration accept",
    ]
