"""The configuration that came down last, kept beside the spool: a restart goes on with it."""

import logging
import os
from pathlib import Path

from contract.errors import DecodeError
from contract.json import encode
from contract.messages import Config, decode_config

log = logging.getLogger(__name__)


class ConfigStore:
    """One file, replaced whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Config | None:
        """The stored configuration; None when there is none, or it can't be read any more."""
        try:
            return decode_config(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, DecodeError) as error:
            log.error("configuration %s is ignored: %s", self._path, error)
            return None

    def save(self, config: Config) -> None:
        """Replace it in one step; raises OSError when the disk refuses."""
        new = self._path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(encode(config))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


def merged(old: Config | None, new: Config) -> Config:
    """`new`, with what it leaves out taken from `old`."""
    if old is None:
        return new
    return Config(
        v=1,
        config_rev=new.config_rev,
        geometry=new.geometry or old.geometry,
        windows=new.windows or old.windows,
    )
