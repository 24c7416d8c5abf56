"""Talking with the technician at the node: what to do next, and waiting until it is done."""

import sys
from dataclasses import dataclass

import typer


@dataclass(frozen=True)
class Technician:
    """Who stands at the node.

    Args:
        asks: Wait for Enter after each instruction; off for scripts (`--yes`).
        quiet: Only the result goes to stdout (`--json`); talk goes to stderr.
    """

    asks: bool = True
    quiet: bool = False

    def say(self, text: str) -> None:
        typer.echo(text, err=self.quiet)

    def wait(self, instruction: str) -> None:
        """Say what to do and wait until it is done."""
        if not self.asks:
            self.say(instruction)
            return
        typer.prompt(
            f"{instruction}, then press Enter",
            default="",
            show_default=False,
            prompt_suffix=" ",
            err=self.quiet,
        )

    def number(self, question: str) -> float:
        """Ask for a number; asks again for anything else."""
        answer: float = typer.prompt(question, type=float, err=self.quiet)
        return answer

    def confirms(self, question: str) -> bool:
        """Ask yes or no; yes for scripts."""
        return not self.asks or typer.confirm(question, default=True, err=self.quiet)

    @property
    def at_terminal(self) -> bool:
        return sys.stdin.isatty()
