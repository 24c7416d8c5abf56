"""Sending: text through Apprise (e-mail, chat, SMS and a hundred more), TALQ reports as JSON.

An address holds a password: nothing here logs one, and errors are told without.
"""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import apprise

from server.notify.channels import Channel

TIMEOUT_S = 10.0
_APP = "Municipal Safety Lab"

# It names addresses in what it logs.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


class NotSent(Exception):
    """It didn't get there; the message says why, without the address."""


def send_text(channel: Channel, title: str, lines: Sequence[str]) -> None:
    """One message of all `lines`; raises `NotSent`."""
    asset = apprise.AppriseAsset(app_id=_APP, app_desc=_APP)
    to = apprise.Apprise(asset=asset)
    if not to.add(channel.url()):
        raise NotSent("Apprise can't read the address; see its list of services")
    try:
        sent = to.notify(title=title, body="\n".join(lines), body_format=apprise.NotifyFormat.TEXT)
    except TypeError as error:  # what Apprise raises of its own for a bad call
        raise NotSent(type(error).__name__) from None
    if not sent:
        raise NotSent("the service refused it or can't be reached")


def send_report(channel: Channel, notice_id: int, report: Mapping[str, Any]) -> None:
    """One TALQ log report by POST; a repetition bears the same key. Raises `NotSent`."""
    url = channel.url()
    if urlsplit(url).scheme not in ("http", "https"):
        raise NotSent("a talq channel's address begins with https:// (or http://)")
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        url,
        data=json.dumps(report).encode(),
        headers={
            "Content-Type": "application/json",
            "User-Agent": "municipal-safety-lab",
            "talq-api-version": "2.7.1",
            "Idempotency-Key": f"notice-{notice_id}",
        },
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
            return
    except urllib.error.HTTPError as error:
        raise NotSent(f"it answered {error.code}") from None
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise NotSent(f"it can't be reached: {type(reason).__name__}") from None
