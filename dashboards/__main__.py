"""Write `generated/`: `python -m dashboards`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dashboards import site

FOLDER = Path(__file__).parent / "generated"
DASHBOARDS: dict[str, Callable[[], dict[str, Any]]] = {"site.json": site.build}


def as_json(dashboard: dict[str, Any]) -> str:
    """As committed and as Grafana reads it."""
    return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every dashboard."""
    for name, build in DASHBOARDS.items():
        (FOLDER / name).write_text(as_json(build()), encoding="utf-8")


if __name__ == "__main__":
    main()
