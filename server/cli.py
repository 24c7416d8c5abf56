"""The command `msl`: finds each room's commands when they are asked for, and speaks of errors.

A room brings its own commands as a Typer app in its `command.py`; `msl ingest` never imports what
`msl serve` needs. Exit codes: 0 done, 1 refused or failed (said on stderr), 2 wrong usage.
"""

import importlib
import sys
from typing import Any

import psycopg
import typer
from typer.core import TyperGroup
from typer.main import get_command as as_click

from server.errors import MslError

# Command: module, and the Typer app in it.
_ROOMS: dict[str, tuple[str, str]] = {
    "demo": ("server.demo.command", "app"),
    "doctor": ("server.doctor.command", "app"),
    "migrate": ("server.db.command", "app"),
    "settings": ("server.settings_command", "app"),
    "ingest": ("server.ingest.command", "app"),
    "import": ("server.ingest.import_command", "app"),
    "dead-letters": ("server.ingest.command", "dead_letters"),
    "gaps": ("server.completeness.command", "app"),
    "export": ("server.export.command", "app"),
    "work": ("server.work.command", "app"),
    "evaluate": ("server.evaluation.command", "app"),
    "lamps": ("server.lamps.command", "app"),
    "serve": ("server.api.command", "app"),
    "enrol": ("server.identity.command", "enrol"),
    "ca": ("server.identity.command", "ca"),
    "lab": ("server.registry.command", "lab"),
    "site": ("server.registry.command", "site"),
    "node": ("server.identity.node_command", "node"),
    "deployment": ("server.registry.dated_command", "deployment"),
    "calibration": ("server.registry.dated_command", "calibration"),
    "validation": ("server.registry.validation_command", "app"),
    "exclusion": ("server.registry.dated_command", "exclusion"),
    "clock-correction": ("server.registry.dated_command", "clock_correction"),
    "intervention": ("server.registry.dated_command", "intervention"),
    "registry": ("server.registry.command", "registry"),
}


class Rooms(TyperGroup):
    """A group whose commands are imported one by one, on demand."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Those whose room is there, in the order of the table."""
        return [name for name in _ROOMS if self.get_command(ctx, name) is not None]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, or None when no room has it."""
        if cmd_name not in _ROOMS:
            return None
        module, attribute = _ROOMS[cmd_name]
        try:
            room = getattr(importlib.import_module(module), attribute, None)
        except ModuleNotFoundError as error:
            # Only the room itself may be missing; a library missing inside it is an error.
            if error.name is None or not module.startswith(error.name):
                raise
            return None
        return None if room is None else _named(as_click(room), cmd_name)


def _named(command: Any, name: str) -> Any:
    command.name = name
    return command


app = typer.Typer(
    cls=Rooms,
    name="msl",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Municipal Safety Lab, server side. Example: msl migrate && msl serve",
)


@app.callback()
def _msl() -> None:
    """Every command has --help with an example."""


def main() -> None:
    """Run the command line; what can be said in one line is said in one line."""
    try:
        app()
    except MslError as error:
        sys.exit(f"msl: {error}")
    except psycopg.OperationalError as error:
        sys.exit(f"msl: database: {str(error).strip()}; see msl settings for database_dsn")
    except psycopg.errors.InsufficientPrivilege as error:
        sys.exit(f"msl: database: {str(error).strip()}; connect as a role that may")


if __name__ == "__main__":
    main()
