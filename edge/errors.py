"""The node's errors: one family, each naming the thing, what was seen and what to try."""


class NodeError(Exception):
    """Anything the node raises on purpose."""


class SensorError(NodeError):
    """A sensor could not measure; its window gets a gap with this reason, never a zero.

    `state` is the word the health record carries for the sensor (`bus_error`, `no_camera`, ...).
    """

    state = "unavailable"


class BusError(SensorError, OSError):
    """The I2C bus or the device behind it did not answer."""

    state = "bus_error"


class SourceError(SensorError, OSError):
    """A camera, microphone or file stopped delivering, or never began."""

    state = "no_source"


class CalibrationRefused(NodeError):
    """A reference measurement lies outside its limits; nothing was recorded."""


class SettingsError(NodeError, ValueError):
    """A setting is unknown, missing or out of range."""
