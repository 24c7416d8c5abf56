"""`msl-node calibrate`: the technician's calibrations, each beside its sensor."""

import typer

from edge.sensors.light.calibrate_command import calibrate_light
from edge.sensors.noise.calibrate_command import calibrate_noise

calibrate = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measure a reference with this node and send what is found as an event.\n\n"
    "Example: msl-node calibrate noise --config node.toml --reference 'NC-75 no. 7'",
)
calibrate.command("light")(calibrate_light)
calibrate.command("noise")(calibrate_noise)
