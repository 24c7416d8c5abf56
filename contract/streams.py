"""The sequenced streams of a node, and how long a window of each lasts."""

from enum import StrEnum


class Stream(StrEnum):
    """A line of records with a `seq` of its own."""

    LIGHT = "light"
    NOISE = "noise"
    FOOTFALL = "footfall"
    HEALTH = "health"
    EVENT = "event"


# Seconds; what a node does unless its settings or `down/config` say otherwise.
DEFAULT_WINDOW_S = {
    Stream.LIGHT: 60,
    Stream.NOISE: 60,
    Stream.FOOTFALL: 900,
    Stream.HEALTH: 60,
}
MEASURED_STREAMS = (Stream.LIGHT, Stream.NOISE, Stream.FOOTFALL)
