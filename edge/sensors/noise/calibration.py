"""A sound calibrator on the microphone: what is read, whether it can be believed, the offset.

The limits say when a reading is more likely a leaking coupler, a second source or a wrong setting
than a microphone; then nothing is recorded and the technician is told what to try.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from edge.errors import CalibrationRefused
from edge.feeds.feed import Reading
from edge.sensors.noise.stats import NoiseStats

# Hands leave the microphone, and the level detector settles (1 s).
SETTLE_S = 2.0
# LAF of a calibrator wanders by 0.1 dB at most (IEC 60942:2017, class 1); more is the coupling.
STEADY_DB = 0.3
# At 1 kHz all weightings are 0 dB: a larger difference is another frequency, or much else beside.
WEIGHTINGS_AGREE_DB = 0.5
# MEMS microphones are within 1 dB of their datasheet, ports and foam add 1 to 2.
OFFSET_MAX_DB = 6.0
# Taken off and put on again, a sealed calibrator reads the same.
REPEATS_DB = 0.3
# More than this since the last calibration makes the levels in between doubtful.
DRIFT_DOUBT_DB = 0.5
# More than this is another or a damaged microphone.
DRIFT_MAX_DB = 1.5


@dataclass(frozen=True)
class ToneReading:
    """Some seconds of the calibrator, by the microphone's nominal sensitivity.

    Args:
        laeq_db, lceq_db: Mean levels.
        spread_db: Highest less lowest LAF, one each 125 ms.
        overload_n, lost_n: Samples that clipped, and that never arrived.
    """

    laeq_db: float
    lceq_db: float
    spread_db: float
    overload_n: int
    lost_n: int


@dataclass(frozen=True)
class NoiseCalibration:
    """What two readings of one calibrator come to; levels and differences in dB.

    Args:
        as_found_db: Raw reading.
        offset_db: To be added to raw readings, by the server alone.
        as_left_db: Second raw reading, the calibrator put on anew, with the offset.
        drift_db: Raw sensitivity now less that of the calibration before; None for the first.
        uncertainty_db: Standard uncertainty of the offset.
    """

    as_found_db: float
    offset_db: float
    as_left_db: float
    drift_db: float | None
    uncertainty_db: float


def read_tone(readings: Iterator[Reading], seconds: float) -> ToneReading:
    """Measure `seconds` of what the microphone hears, after it has settled.

    Raises `CalibrationRefused` for a microphone that gives nothing, `SensorError` as its source.
    """
    stats, laf_db, passed_s = NoiseStats(), [], 0.0
    for reading in readings:
        slot = reading.piece.data.slot
        passed_s += reading.piece.seconds
        if passed_s <= SETTLE_S:
            continue
        if slot is None:
            raise CalibrationRefused(
                "the microphone gives a constant signal; check its cable and its channel"
            )
        stats.add(slot)
        stats.add_lost(reading.piece.data.lost_n)
        if slot.end_db is not None:
            laf_db.append(slot.end_db)
        if passed_s >= SETTLE_S + seconds:
            break
    levels = stats.levels()
    laeq, lceq = levels["laeq"], levels["lceq"]
    if laeq is None or lceq is None or not laf_db or passed_s < SETTLE_S + seconds:
        raise CalibrationRefused(
            f"the microphone gave {stats.seconds:.1f} s of sound instead of {seconds:g} s;"
            " check its cable"
        )
    spread_db = max(laf_db) - min(laf_db)
    return ToneReading(laeq, lceq, spread_db, stats.overload_n, stats.lost_n)


def check_tone(reading: ToneReading, level_db: float) -> None:
    """Raise `CalibrationRefused` unless the reading can be a calibrator of `level_db` at 1 kHz."""
    seen = f"read {reading.laeq_db:.2f} dB"
    if reading.overload_n:
        raise CalibrationRefused(
            f"{seen} with {reading.overload_n} clipped samples; check noise.sens_db and the"
            " sound card's gain"
        )
    if reading.lost_n:
        raise CalibrationRefused(
            f"{reading.lost_n} samples were lost while measuring; stop what else runs, try again"
        )
    if abs(reading.laeq_db - level_db) > OFFSET_MAX_DB:
        raise CalibrationRefused(
            f"{seen}, the calibrator gives {level_db:.1f} dB: more than {OFFSET_MAX_DB:g} dB apart;"
            " switch it on, seal it onto the microphone, check its level and noise.sens_db"
        )
    if reading.spread_db > STEADY_DB:
        raise CalibrationRefused(
            f"{seen}, but it wanders by {reading.spread_db:.2f} dB ({STEADY_DB:g} at most); seal"
            " the coupler, hold still, wait for the calibrator's battery or for a quieter moment"
        )
    if abs(reading.lceq_db - reading.laeq_db) > WEIGHTINGS_AGREE_DB:
        raise CalibrationRefused(
            f"{seen} with A and {reading.lceq_db:.2f} dB with C weighting, which are equal at"
            " 1 kHz; use a 1 kHz calibrator and keep other sound out"
        )


def noise_calibration(
    found: ToneReading,
    again: ToneReading,
    level_db: float,
    *,
    limit_db: float,
    last_as_found_db: float | None = None,
    other_microphone: bool = False,
) -> NoiseCalibration:
    """Offset, repeat and drift from two readings of the same calibrator.

    offset = level - mean of both readings. Its standard uncertainty (GUM, JCGM 100:2008, 4.3.7 and
    5.1.2) is sqrt(u_cal^2 + u_rep^2 + u_steady^2): u_cal = limit / sqrt(3), the calibrator's
    acceptance limit as a rectangular distribution; u_rep = |difference of both readings| / 2, the
    standard deviation of their mean; u_steady = larger spread / sqrt(12).

    Args:
        level_db: What the calibrator gives.
        limit_db: By how much it may be wrong: 0.25 for class 1, 0.4 for class 2 (IEC 60942:2017).
        last_as_found_db: Raw reading at the calibration before, for the same level.
        other_microphone: It was changed since: drift says nothing.
    Raises:
        CalibrationRefused: the readings differ, or the microphone is hardly the same one.
    """
    step_db = again.laeq_db - found.laeq_db
    if abs(step_db) > REPEATS_DB:
        raise CalibrationRefused(
            f"read {found.laeq_db:.2f} dB, and {again.laeq_db:.2f} dB with the calibrator put on"
            f" anew: more than {REPEATS_DB:g} dB apart; check the adapter's ring and seat"
        )
    mean_db = (found.laeq_db + again.laeq_db) / 2
    drift_db = None
    if last_as_found_db is not None and not other_microphone:
        drift_db = mean_db - last_as_found_db
        if abs(drift_db) > DRIFT_MAX_DB:
            raise CalibrationRefused(
                f"the microphone reads {drift_db:+.2f} dB against its last calibration"
                f" ({DRIFT_MAX_DB:g} at most); look for water or damage, or say --new-microphone"
            )
    offset_db = level_db - mean_db
    spread_db = max(found.spread_db, again.spread_db)
    uncertainty_db = math.sqrt(limit_db**2 / 3 + step_db**2 / 4 + spread_db**2 / 12)
    return NoiseCalibration(
        as_found_db=mean_db,
        offset_db=offset_db,
        as_left_db=again.laeq_db + offset_db,
        drift_db=drift_db,
        uncertainty_db=uncertainty_db,
    )
