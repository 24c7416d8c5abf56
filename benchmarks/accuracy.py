"""Measure everything in docs/accuracy.md afresh: python -m benchmarks.accuracy [--only SECTION].

Runs the benchmarks of noise, light, footfall and the whole node, keeps what they found in
benchmarks/accuracy.json with the machine, its load and the date, and writes the page from that
file. `--render` only writes the page, from the figures that are kept.
"""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2

from benchmarks import footfall, light, noise
from benchmarks.accuracy_page import page
from edge.sensors.bench import agent_cost, spool_records_per_s

FIGURES = Path(__file__).parent / "accuracy.json"
AGENT_S = 30.0
PAGE = Path(__file__).parents[1] / "docs" / "accuracy.md"


def light_figures() -> dict[str, float]:
    found = {name: value for part in light.PARTS for name, value in light.figures(part).items()}
    return {name: round(value, 3) for name, value in found.items()}


def noise_figures() -> dict[str, float]:
    return {name: round(value, 4) for name, value in noise.figures().items()}


def node_figures() -> dict[str, Any]:
    """The whole node as `msl-node bench` measures it."""
    model = footfall.data_folder() / "yolox_nano.onnx"
    detectors = ["background", *([f"yolox:{model}"] if model.is_file() else [])]
    costs = [(name, agent_cost(AGENT_S, name)) for name in detectors]
    with tempfile.TemporaryDirectory() as folder:
        return {
            "agents": [
                {
                    "detector": name.partition(":")[0],
                    "core_share": round(cost.core_share, 3),
                    "rss_mb": round(cost.rss_bytes / 2**20),
                }
                for name, cost in costs
            ],
            "spool_records_per_s": round(spool_records_per_s(Path(folder))),
        }


SECTIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "noise": noise_figures,
    "light": light_figures,
    "footfall": footfall.figures,
    "node": node_figures,
}


def stamp() -> dict[str, Any]:
    """What a section is measured on."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "opencv": cv2.__version__,
    }


def processor() -> str:
    """The processor's own name, and its kind."""
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith(("model name", "Model"))
    ]
    return f"{platform.machine()} ({names[0]})" if names else platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure and write docs/accuracy.md.")
    parser.add_argument("--only", choices=SECTIONS, help="measure this section, keep the others")
    parser.add_argument("--render", action="store_true", help="only write the page anew")
    chosen = parser.parse_args()
    if not chosen.render:
        # The hours of benchmarks.soak are kept by that program itself.
        known = json.loads(FIGURES.read_text())
        kept = known if chosen.only else {"soak": known["soak"]}
        for name in [chosen.only] if chosen.only else SECTIONS:
            kept[name] = {"measured": stamp(), "figures": SECTIONS[name]()}
        FIGURES.write_text(json.dumps(kept, indent=1) + "\n")
    PAGE.write_text(page(json.loads(FIGURES.read_text())))
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
