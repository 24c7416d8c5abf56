"""The broker: TLS with our own certificate, and how long it takes to say CONNACK.

An ingester's certificate is never logged in with: the broker takes its name as client id, and a
second login of one client id ends the first, which may be the ingester at work.
"""

import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from server.doctor.certificates import common_name
from server.doctor.finding import Finding, failed, ok, skipped, warn
from server.settings import Settings

TIMEOUT_S = 5.0
# TLS 1.3 refuses a client's certificate only after the handshake; this long is enough to hear it.
REFUSAL_S = 0.5
SLOW_MS = 1000.0
INGESTERS = "srv-ingest"


def check_broker(values: Settings) -> Finding:
    """Connect as `probe_cert_file`, or shake hands as `broker_cert_file`."""
    pairs = (
        (values.probe_cert_file, values.probe_key_file),
        (values.broker_cert_file, values.broker_key_file),
    )
    cert, key = next(((c, k) for c, k in pairs if c and k), (None, None))
    where = f"{values.broker_host}:{values.broker_port}"
    if cert is None or key is None or values.broker_ca_file is None:
        return skipped("broker", "no certificate is set here; see broker_cert_file")
    try:
        context = ssl.create_default_context(cafile=values.broker_ca_file)
        context.load_cert_chain(cert, key)
        name = common_name(Path(cert))
    except (OSError, ValueError) as error:
        return failed("broker", f"certificate {cert} can't be used: {error}", "issue it anew")
    began_s = time.monotonic()
    try:
        if name.startswith(INGESTERS):
            _shake_hands(values, context)
            said = f"TLS as {name}, not logged in so as not to displace it"
        else:
            _log_in(values, context, name)
            said = f"CONNACK as {name}"
    except ssl.SSLError as error:
        return failed(
            "broker", f"{where}: TLS: {error.reason or error}", "check certificates and their dates"
        )
    except (OSError, _Refused) as error:
        return failed("broker", f"{where}: {error}", "start the broker; is its address right?")
    took_ms = (time.monotonic() - began_s) * 1000
    detail = f"{where}: {said} after {took_ms:.0f} ms"
    return ok("broker", detail) if took_ms < SLOW_MS else warn("broker", detail, "look at its load")


class _Refused(Exception):
    """The broker was reached and said no."""


def _shake_hands(values: Settings, context: ssl.SSLContext) -> None:
    with _open(values, context) as tls:
        tls.settimeout(REFUSAL_S)
        try:
            if tls.recv(1) == b"":
                raise _Refused("the broker closed the connection")
        except TimeoutError:
            return  # it waits for our CONNECT: the certificate was taken


def _open(values: Settings, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection((values.broker_host, values.broker_port), timeout=TIMEOUT_S)
    try:
        return context.wrap_socket(plain, server_hostname=values.broker_host)
    except OSError:
        plain.close()
        raise


def _log_in(values: Settings, context: ssl.SSLContext, name: str) -> None:
    answered = threading.Event()
    reasons: list[ReasonCode] = []

    def on_connect(
        client: mqtt.Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any
    ) -> None:
        reasons.append(reason)
        answered.set()

    # paho leaves the socket open when the handshake fails: let it fail here.
    _open(values, context).close()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5)
    client.tls_set_context(context)
    client.connect_timeout = TIMEOUT_S
    client.on_connect = on_connect
    client.connect(values.broker_host, values.broker_port, clean_start=True)
    client.loop_start()
    try:
        if not answered.wait(TIMEOUT_S):
            raise _Refused(f"no CONNACK within {TIMEOUT_S:.0f} s")
        if reasons[0].is_failure:
            raise _Refused(f"{name} was refused: {reasons[0]}")
    finally:
        client.disconnect()
        client.loop_stop()
