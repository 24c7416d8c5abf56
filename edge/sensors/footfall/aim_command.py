"""`msl-node aim`: see where the camera looks while mounting it, and nobody in the picture."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from contract.events import Aim
from edge.command_spool import NodeRuns, hold_spool, state_dir
from edge.config_store import ConfigStore
from edge.errors import SettingsError
from edge.feeds.footfall import settings_geometry
from edge.sensors.footfall.aim import AimSession
from edge.sensors.footfall.aim_server import LONGEST_S, AimServer, check_local
from edge.sensors.footfall.geometry import Geometry
from edge.sensors.footfall.source_spec import SourceKind, SourceSpec
from edge.settings import Settings, load
from edge.spool import Spool


def aim(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The node's settings file (node.toml).")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", help="One setting as name=value; repeatable."),
    ] = None,
    address: Annotated[
        str, typer.Option(help="This node's own address on the link to your phone or laptop.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any free one.")] = 0,
    minutes: Annotated[float, typer.Option(help="End sooner than after 10.", min=0.05, max=10)] = (
        LONGEST_S / 60
    ),
) -> None:
    """Show a coarse picture of what stands still, with the counting line, for placing the camera.

    The one exception to "no pictures": the counter must be stopped, nothing is written, the page is
    reached once with the printed address and only over the local link, and it ends by itself.
    Opening and closing go to the server as events.

    Example: msl-node aim --config node.toml --address 192.168.4.1
    """
    settings = load(config, overrides or ())
    source = source_of(settings)
    geometry = geometry_of(settings)
    check_local(address)
    with spool_of(settings, simulated=source.simulated) as spool, AimSession(source) as session:
        server = AimServer(session, geometry, address=address, port=port, length_s=60 * minutes)
        serve(server, spool)


def serve(server: AimServer, spool: Spool) -> None:
    """Log the opening, serve, log the closing, whatever ended it."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    # The opening is on the disk before anything can be seen.
    spool.event(Aim(started=True))
    spool.flush()
    typer.echo(f"open once, within {server.left_s / 60:.1f} minutes: {server.url}")
    typer.echo("Ctrl-C ends it; then start the node again")
    try:
        server.serve()
    except KeyboardInterrupt:
        typer.echo("")
    finally:
        signal.signal(signal.SIGTERM, before)
        server.server_close()
        spool.event(Aim(started=False))
        spool.flush()
    typer.echo("the placement view has ended; nothing of it was kept")


def source_of(settings: Settings) -> SourceSpec:
    """The node's camera; raises `SettingsError` when it has none."""
    text = settings.text("footfall.source")
    if text == "off":
        raise SettingsError("footfall.source is off: there is no camera to aim")
    spec = SourceSpec.parse(text)
    if spec.kind is SourceKind.FILE:
        return SourceSpec(spec.kind, str(settings.base / spec.target), spec.options)
    return spec


def geometry_of(settings: Settings) -> Geometry:
    """The lines that the node counts: what came down last, else the settings' own."""
    stored = ConfigStore(state_dir(settings) / "config.json").load()
    if stored and stored.geometry:
        return Geometry.from_config(stored.geometry)
    return settings_geometry(settings)


def spool_of(settings: Settings, *, simulated: bool) -> Spool:
    """The node's spool; raises `NodeRuns` while the counter does."""
    try:
        return hold_spool(settings, simulated=simulated)
    except NodeRuns:
        raise NodeRuns(
            "the node runs and counts; stop it, aim, then start it again: it declares the gap and"
            " delivers the record that the view was open"
        ) from None
