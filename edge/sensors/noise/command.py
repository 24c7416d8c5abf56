"""`msl-node level`: what a WAV file comes to, by the same meter that runs on the node."""

import json
from pathlib import Path
from typing import Annotated

import typer

from edge.clock import FastClock
from edge.errors import NodeError, SettingsError, SourceError
from edge.sensors.noise.level_meter import LevelMeter
from edge.sensors.noise.stats import NoiseStats
from edge.sensors.noise.wav import WavSource

# ICS-43434: -26 dBFS at 94 dB, so that a full-scale sine is 120 dB.
NOMINAL_SENS_DB = 120.0
# No microphone is near these; beyond them a level is a mistyped number.
LEAST_SENS_DB, MOST_SENS_DB = -200.0, 300.0
# A header that promises more than is there by this much: the recorder was cut off.
CUT_OFF_S = 0.05


def level_of_file(path: Path, sens_db: float = NOMINAL_SENS_DB) -> dict[str, float | int | None]:
    """Levels of a whole WAV file (first channel) in dB re 20 µPa, and its length in seconds.

    Args:
        path: 16, 24 or 32 bit PCM or float.
        sens_db: Level in dB of a full-scale sine.
    Raises:
        SourceError: the file can't be read as WAV, or holds no samples.
        SettingsError: its sample rate has no weighting filter, or `sens_db` can't be.
    """
    if not LEAST_SENS_DB <= sens_db <= MOST_SENS_DB:
        raise SettingsError(
            f"sensitivity {sens_db:g} dB is outside {LEAST_SENS_DB:g} to {MOST_SENS_DB:g} dB;"
            " give the level of a full-scale sine"
        )
    stats = stats_of_file(path)
    # Measured as on the node and shifted, so that no sensitivity puts quiet sound under the
    # histogram's lowest class.
    shifted = {
        name: None if value is None else round(value + sens_db - NOMINAL_SENS_DB, 3)
        for name, value in stats.levels().items()
    }
    return {**shifted, "overload_n": stats.overload_n, "seconds": round(stats.seconds, 3)}


def stats_of_file(path: Path) -> NoiseStats:
    """A whole file at `NOMINAL_SENS_DB`; says on standard error when it is cut off."""
    # Blocks of 1 s instead of 125 ms only spare calls; the result is the same for any length.
    source = WavSource(path, FastClock(start_utc_s=0.0), block_s=1.0)
    try:
        stats, meter = NoiseStats(), LevelMeter(source.sample_rate_hz, NOMINAL_SENS_DB)
        for block in source.blocks():
            for slot in meter.push(block.samples):
                stats.add(slot)
        for slot in meter.finish():
            stats.add(slot)
    finally:
        source.close()
    if not stats.seconds:
        raise SourceError(f"{path.name} holds no samples; nothing can be measured")
    if (source.promised_s or 0.0) > stats.seconds + CUT_OFF_S:
        typer.echo(
            f"note: {path.name} is cut off: {stats.seconds:.2f} of {source.promised_s:.2f} s"
            " are there and were measured",
            err=True,
        )
    return stats


def level(
    wav: Annotated[Path, typer.Option(help="WAV file; the first channel is measured.")],
    sensitivity_db: Annotated[
        float, typer.Option(help="Level in dB (re 20 µPa) of a full-scale sine.")
    ] = NOMINAL_SENS_DB,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the sound levels of a whole WAV file.

    Example: msl-node level --wav street.wav --sensitivity-db 120 --json
    """
    try:
        levels = level_of_file(wav, sensitivity_db)
    except NodeError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(json.dumps(levels))
        return
    for name, value in levels.items():
        typer.echo(f"{name:10} {'not measured' if value is None else value}")
