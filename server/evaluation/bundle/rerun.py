"""The same evaluation once more from its bundle: the same numbers, or what differs and why."""

import math
from pathlib import Path

import msgspec

from server.evaluation.bundle.files import read_bundle
from server.evaluation.evaluation import Evaluation
from server.evaluation.run import evaluate


class Rerun(msgspec.Struct, frozen=True, kw_only=True):
    """Whether every number came out to the last digit; if not, which, and why that may be."""

    same: bool
    numbers: int
    differences: list[str]
    code_differences: list[str]
    results: Evaluation


def rerun(path: Path) -> Rerun:
    """Evaluate a bundle's data by its plan with this code."""
    bundle = read_bundle(path)
    again = evaluate(
        bundle.plan, bundle.intervention, bundle.snapshot,
        snapshot_sha256=bundle.snapshot_sha256, locked=bundle.locked,
    )  # fmt: skip
    then, now = msgspec.to_builtins(bundle.results), msgspec.to_builtins(again)
    code = _differences(then.pop("code"), now.pop("code"), "code")
    differences = _differences(then, now, "")
    return Rerun(
        same=not differences, numbers=_numbers(then), differences=differences,
        code_differences=code, results=again,
    )  # fmt: skip


def _differences(then: object, now: object, place: str) -> list[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        return [
            found
            for key in sorted(then.keys() | now.keys())
            for found in _differences(then.get(key), now.get(key), f"{place}.{key}".lstrip("."))
        ]
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [
            found
            for i, (a, b) in enumerate(zip(then, now, strict=True))
            for found in _differences(a, b, f"{place}[{i}]")
        ]
    if then == now or (
        isinstance(then, float) and isinstance(now, float) and math.isnan(then) and math.isnan(now)
    ):
        return []
    return [f"{place}: was {_short(then)}, is {_short(now)}"]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _numbers(value: object) -> int:
    if isinstance(value, dict):
        return sum(map(_numbers, value.values()))
    if isinstance(value, list):
        return sum(map(_numbers, value))
    return int(isinstance(value, int | float) and not isinstance(value, bool))
