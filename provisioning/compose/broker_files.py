"""Mosquitto's configuration as the compose file mounts it.

`python -m provisioning.compose.broker_files` writes `generated/`; a test holds it current.
"""

from pathlib import Path

from provisioning.mosquitto.acl import render_acl
from provisioning.mosquitto.config import BrokerSettings, render_config

FOLDER = Path(__file__).parent / "generated"
PORT = 8883
# As the containers see them: compose puts secrets and configs there.
SECRETS = Path("/run/secrets")
CONFIG = Path("/mosquitto/config")


def files() -> dict[str, str]:
    """File name to content."""
    settings = BrokerSettings(
        port=PORT,
        address="0.0.0.0",  # noqa: S104  # inside its container; compose says where it is published
        ca_file=SECRETS / "ca_cert",
        cert_file=SECRETS / "broker_cert",
        key_file=SECRETS / "broker_key",
        acl_file=CONFIG / "acl",
        persistence_dir=Path("/mosquitto/data"),
    )
    return {"mosquitto.conf": render_config(settings), "acl": render_acl()}


def main() -> None:
    """Write `generated/`."""
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
