"""The node's settings: one table, a TOML file a node, and `name=value` on the command line.

Secrets never stand in it: certificates and keys are named by path.
"""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.ids import is_node_id
from contract.messages import Windows
from edge.errors import SettingsError

Value = str | int | float | bool | list[str]


@dataclass(frozen=True)
class Setting:
    """One row of the table; the default's type is the setting's."""

    name: str
    default: Value
    unit: str
    help: str


TABLE: tuple[Setting, ...] = (
    Setting("node_id", "", "", "this node's name: a-z, 0-9 and -, 3 to 32 characters"),
    Setting("simulated", False, "", "mark every record SIMULATED (emulated sources always do)"),
    Setting("trust_clock", "kernel", "",
            "kernel: wait until the kernel's clock is in sync; always: another machine keeps it"),
    Setting("latitude_deg", 52.5, "degrees", "where emulated light and sound take place"),
    Setting("longitude_deg", 13.4, "degrees", "east of Greenwich"),
    Setting("seed", 1, "", "which street is emulated"),
    Setting("state_dir", "state", "path", "folder of the spool and of the applied configuration"),
    Setting("broker.host", "127.0.0.1", "", "MQTT broker"),
    Setting("broker.port", 8883, "", "its port"),
    Setting("broker.ca_file", "", "path", "whom to trust; empty: no TLS, for a bench only"),
    Setting("broker.cert_file", "", "path", "this node's certificate; its CN is node_id"),
    Setting("broker.key_file", "", "path", "its private key"),
    Setting("enrol.url", "", "", "where certificates come from, as https://HOST:8444"),
    Setting("spool.limit_bytes", 256 * 2**20, "bytes", "size at which the oldest records go"),
    Setting("uplink.ack_timeout_s", 20.0, "s", "wait for the server's acknowledgement"),
    Setting("uplink.backoff_max_s", 120.0, "s", "longest wait before sending again"),
    Setting("uplink.reconnect_max_s", 60.0, "s", "longest wait before connecting again"),
    Setting("light.source", "off", "",
            "off, opt3001, veml7700, bh1750, or emulated:PART"),
    Setting("light.bus", 1, "", "number of the I2C bus"),
    Setting("light.lamp_lx", 12.0, "lx", "emulated: what the street lamp gives"),
    Setting("light.lamp_works", True, "", "emulated: whether the lamp burns at night"),
    Setting("light.dome_share", 1.0, "", "emulated: share of the light that passes the dome"),
    Setting("noise.source", "off", "", "off, alsa:DEVICE, wav:FILE or emulated"),
    Setting("noise.sens_db", 120.0, "dB", "level of a full-scale sine by the datasheet"),
    Setting("noise.sample_rate_hz", 48_000, "Hz", "asked of the sound card"),
    Setting("noise.channel", 0, "", "channel that carries the microphone, from 0"),
    Setting("noise.day_db", 0.0, "dB", "emulated: street's level by day; 0: by the seed"),
    Setting("noise.night_db", 0.0, "dB", "emulated: street's level at night; 0: by the seed"),
    Setting("noise.mic_error_db", 0.0, "dB",
            "emulated: how much more the microphone gives than its datasheet says"),
    Setting("footfall.source", "off", "",
            "off, FILE, v4l2:/dev/video0, rtsp://…, rpicam: or scene:seed=1;people=6"),
    Setting("footfall.detector", "background", "", "background, or yolox:MODEL"),
    Setting("footfall.lines", ["main:0.5,0.1,0.5,0.95"], "",
            "NAME:x1,y1,x2,y2 of each counting line"),
    Setting("footfall.zone", "", "", "x1,y1,x2,y2,x3,y3,… of the zone; empty: none"),
    Setting("footfall.unit", "share", "", "lines and zone in share of the frame, or px"),
    Setting("footfall.geometry_rev", 0, "", "number of this geometry"),
    Setting("gpio.tamper", -1, "", "GPIO of the enclosure's switch, held closed; -1: none"),
    Setting("gpio.pir", -1, "", "GPIO of the infrared sensor; -1: none"),
    Setting("gpio.button", -1, "", "GPIO of the service button, 3 s: walk test; -1: none"),
    Setting("gpio.led", -1, "", "GPIO of the status light; -1: none"),
    Setting("windows.light_s", Windows().light_s, "s", "length of a light window"),
    Setting("windows.noise_s", Windows().noise_s, "s", "length of a noise window"),
    Setting("windows.footfall_s", Windows().footfall_s, "s", "length of a footfall window"),
    Setting("windows.health_s", Windows().health_s, "s", "length of a health window"),
    Setting("run.seconds", 0.0, "s", "end after this much of the streams' time; 0: never"),
    Setting("run.start_at", "", "", "with --fast: when files begin, e.g. 2026-05-01T20:00:00Z"),
    Setting("run.drain_s", 60.0, "s", "with --once: longest wait for the last acknowledgement"),
)  # fmt: skip

_BY_NAME = {setting.name: setting for setting in TABLE}


@dataclass(frozen=True)
class Settings:
    """Checked values of every row of the table.

    Args:
        base: Folder that relative paths start from: the settings file's own.
    """

    values: Mapping[str, Value]
    base: Path = Path()

    def text(self, name: str) -> str:
        return str(self.values[name])

    def number(self, name: str) -> float:
        value = self.values[name]
        assert isinstance(value, int | float)
        return float(value)

    def integer(self, name: str) -> int:
        value = self.values[name]
        assert isinstance(value, int)
        return value

    def flag(self, name: str) -> bool:
        return bool(self.values[name])

    def texts(self, name: str) -> list[str]:
        value = self.values[name]
        assert isinstance(value, list)
        return value

    def path(self, name: str) -> Path | None:
        """A path, from the settings file's folder; None when it is empty."""
        text = self.text(name)
        return self.base / text if text else None

    def windows(self) -> Windows:
        """The window lengths; raises `SettingsError` when one can't be."""
        names = ("light_s", "noise_s", "footfall_s", "health_s")
        lengths = {name: self.integer(f"windows.{name}") for name in names}
        if lengths["footfall_s"] < 300:
            raise SettingsError(
                f"windows.footfall_s is {lengths['footfall_s']} s; 300 s is the least, shorter"
                " windows would follow single people"
            )
        try:
            return Windows(**lengths)
        except ValueError as error:
            raise SettingsError(f"windows.{error}") from None


def load(file: Path | None, overrides: Sequence[str] = ()) -> Settings:
    """Settings from a TOML file, then from `name=value` texts.

    Raises `SettingsError` for an unknown name (with the nearest known one), a value of the wrong
    type, a missing or impossible node id.
    """
    given = flatten(_read(file)) if file else {}
    values = _checked_values(given, f"{file.name}: " if file else "")
    for text in overrides:
        name, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"--set {text}: expected name=value, e.g. light.bus=1")
        setting = _known(name.strip())
        values[setting.name] = _parsed(setting, value.strip())
    _check(values)
    return Settings(values, file.parent if file else Path())


def from_values(given: Mapping[str, Any], base: Path) -> Settings:
    """Settings from a mapping of full names; raises `SettingsError` as `load` does."""
    values = _checked_values(given, "")
    _check(values)
    return Settings(values, base)


def render(values: Mapping[str, Value]) -> str:
    """The TOML of settings that `load` reads back; unknown names are refused."""
    plain: list[str] = []
    sections: dict[str, list[str]] = {}
    for name, value in values.items():
        _known(name)
        section, dot, key = name.rpartition(".")
        line = f"{key} = {_toml(value)}"
        (sections.setdefault(section, []) if dot else plain).append(line)
    parts = ["\n".join(plain)]
    parts += [f"[{section}]\n" + "\n".join(lines) for section, lines in sections.items()]
    return "\n\n".join(part for part in parts if part) + "\n"


def describe() -> str:
    """The table as text: what `msl-node settings` prints."""
    rows = [(s.name, _toml(s.default), s.unit, s.help) for s in TABLE]
    width = max(len(row[0]) for row in rows)
    return "\n".join(
        f"{name:<{width}}  {help_}{f' [{unit}]' if unit else ''} (default {default})"
        for name, default, unit, help_ in rows
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise SettingsError(f"settings {file} can't be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"settings {file} are not TOML: {error}") from error


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Full names (`light.bus`) and values of nested TOML tables."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def _checked_values(given: Mapping[str, Any], where: str) -> dict[str, Value]:
    """Every setting's value: the default, or what is given if its type is right."""
    values: dict[str, Value] = {setting.name: setting.default for setting in TABLE}
    for name, value in given.items():
        values[name] = _typed(_known(name), value, where)
    return values


def _known(name: str) -> Setting:
    if name in _BY_NAME:
        return _BY_NAME[name]
    near = difflib.get_close_matches(name, _BY_NAME, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else "; msl-node settings lists them"
    raise SettingsError(f"no setting is called {name!r}{hint}")


def _typed(setting: Setting, value: Any, where: str) -> Value:
    """A TOML value of the default's type; whole numbers may stand for floats."""
    wanted = type(setting.default)
    if wanted is float and type(value) is int:
        return float(value)
    texts = wanted is list and isinstance(value, list) and all(isinstance(v, str) for v in value)
    if texts or (wanted is not list and type(value) is wanted):
        result: Value = value
        return result
    raise SettingsError(f"{where}{setting.name} is {value!r}; expected {_TYPE_NAMES[wanted]}")


def _parsed(setting: Setting, text: str) -> Value:
    """A command line value; several texts are separated by spaces."""
    default = setting.default
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(default, int):
            return int(text)
        if isinstance(default, float):
            return float(text)
    except (ValueError, KeyError):
        wanted = _TYPE_NAMES[type(default)]
        raise SettingsError(f"--set {setting.name}={text}: expected {wanted}") from None
    return text.split() if isinstance(default, list) else text


def _check(values: Mapping[str, Value]) -> None:
    node_id = str(values["node_id"])
    if not is_node_id(node_id):
        raise SettingsError(
            f"node_id is {node_id!r}; expected 3 to 32 of a-z, 0-9 and -, not beginning with srv-"
        )
    if values["trust_clock"] not in ("kernel", "always"):
        raise SettingsError(f"trust_clock is {values['trust_clock']!r}; kernel or always")
    for name in ("spool.limit_bytes", "uplink.ack_timeout_s", "noise.sample_rate_hz"):
        if not float(values[name]) > 0:  # type: ignore[arg-type]
            raise SettingsError(f"{name} is {values[name]}; expected more than 0")


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, str):
        # A TOML basic string escapes like JSON does.
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


_TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list of texts",
}
