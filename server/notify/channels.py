"""To whom is told what: channels from one file, their addresses from files of their own.

```toml
[quiet]
from = 22:00:00    # in the zone of the site
to = 06:00:00

[[channel]]
name = "duty"
url_file = "/run/secrets/mail_url"   # an Apprise URL, such as mailtos://user:password@host?to=…
about = ["lamp", "node", "stream"]
sites = ["park"]                     # none: all

[[channel]]
name = "cmms"
kind = "talq"                        # posts TALQ log reports as JSON; text is Apprise's
url_file = "/run/secrets/cmms_url"
about = ["lamp"]

[[channel]]
name = "head-of-duty"
url_file = "/run/secrets/head_url"
after_h = 24                         # told of what nobody has acknowledged for so long
```
"""

from datetime import time
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from server.errors import MslError

About = Literal["lamp", "node", "stream"]


class NotifyError(MslError):
    """The file of channels, or an address, can't be used; the message never quotes an address."""


class Quiet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"begin": "from"}):
    """Hours in which only what is urgent is said."""

    begin: time
    to: time


class Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to somebody."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}\Z")]
    url_file: str
    kind: Literal["text", "talq"] = "text"
    about: tuple[About, ...] = ("lamp", "node", "stream")
    sites: tuple[str, ...] = ()
    after_h: Annotated[float, Meta(ge=0, le=8760)] = 0.0
    """0: told at once; else an escalation."""

    def wants(self, about: str, site: str | None) -> bool:
        """Whether this is for it."""
        return about in self.about and (not self.sites or site in self.sites)

    def url(self) -> str:
        """The address; raises `NotifyError`."""
        try:
            url = Path(self.url_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise NotifyError(
                f"channel {self.name}: {self.url_file} can't be read: {error.strerror}"
            ) from error
        if "://" not in url:
            raise NotifyError(f"channel {self.name}: {self.url_file} holds no address with ://")
        return url


class Channels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    channel: tuple[Channel, ...] = ()
    quiet: Quiet | None = None
    silent_after_min: Annotated[float, Meta(ge=5, le=10_080)] = 60.0
    """A node or stream that is silent for so long is told of."""


def read_channels(file: Path) -> Channels:
    """Raises `NotifyError` naming the file and the field."""
    try:
        found = msgspec.toml.decode(file.read_bytes(), type=Channels)
    except OSError as error:
        raise NotifyError(f"notify_file {file} can't be read: {error.strerror}") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise NotifyError(f"notify_file {file}: {error}") from error
    names = [channel.name for channel in found.channel]
    if len(set(names)) != len(names):
        raise NotifyError(f"notify_file {file}: two channels have one name: {', '.join(names)}")
    return found
