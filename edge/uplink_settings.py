"""What the settings say of the uplink: where the broker is, and how long to wait for what."""

from edge.broker_link import BrokerSettings
from edge.settings import Settings
from edge.uplink import Timing


def broker_settings(settings: Settings) -> BrokerSettings:
    """Where the broker is, from the settings."""
    return BrokerSettings(
        host=settings.text("broker.host"),
        port=settings.integer("broker.port"),
        ca_file=settings.path("broker.ca_file"),
        cert_file=settings.path("broker.cert_file"),
        key_file=settings.path("broker.key_file"),
    )


def uplink_timing(settings: Settings) -> Timing:
    """Waits of the uplink, from the settings."""
    return Timing(
        ack_timeout_s=settings.number("uplink.ack_timeout_s"),
        backoff_max_s=settings.number("uplink.backoff_max_s"),
        reconnect_max_s=settings.number("uplink.reconnect_max_s"),
    )
