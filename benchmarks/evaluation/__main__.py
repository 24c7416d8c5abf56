"""Command of the evaluation benchmarks; each part keeps its figures in `figures/` as JSON."""

import argparse
from pathlib import Path

import msgspec

from benchmarks.evaluation.simulate import GROUPS
from benchmarks.evaluation.tally import Figures

FIGURES = Path(__file__).parent / "figures"


def simulate(runs: int, bayes_runs: int, only: list[str]) -> None:
    """Run the groups and keep each one's figures as soon as it is through."""
    FIGURES.mkdir(exist_ok=True)
    for name in only or list(GROUPS):
        found: list[Figures] = []
        for figures in GROUPS[name](bayes_runs if name == "bsts" else runs):
            found.append(figures)
            print(line(figures), flush=True)
            text = msgspec.json.format(msgspec.json.encode(found), indent=1).decode()
            (FIGURES / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def line(figures: Figures) -> str:
    """One row for people."""
    covered = "-" if figures.coverage is None else f"{figures.coverage:.3f}"
    error = figures.monte_carlo_error(0.05)
    return (
        f"{figures.method:38} {figures.setting:52} runs {figures.runs:5} refused"
        f" {figures.refused:4} bias {figures.bias:+.4f} coverage {covered}"
        f" false positives {figures.false_positive:.3f} (+-{error:.3f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    simulated = parts.add_parser("simulate", help="made-up streets")
    simulated.add_argument("--runs", type=int, default=1000)
    simulated.add_argument("--bayes-runs", type=int, default=200)
    simulated.add_argument("--only", action="append", choices=list(GROUPS), default=[])
    arguments = parser.parse_args()
    if arguments.part == "simulate":
        simulate(arguments.runs, arguments.bayes_runs, arguments.only)


if __name__ == "__main__":
    main()
