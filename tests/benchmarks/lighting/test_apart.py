"""Generator and detector know nothing of each other, and nights are what their seed says."""

import ast
from pathlib import Path

import numpy as np
import pytest

from benchmarks.lighting.scoring import Claim, match
from benchmarks.lighting.site import Truth, make_site

ROOT = Path(__file__).parents[3]
GENERATOR = [
    path
    for path in sorted((ROOT / "benchmarks" / "lighting").glob("*.py"))
    if path.name != "__main__.py"
]
DETECTOR = sorted((ROOT / "server" / "lighting").glob("*.py"))


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", GENERATOR, ids=lambda path: path.name)
def test_the_generator_does_not_know_the_detector(path: Path) -> None:
    assert not [name for name in imported(path) if name.startswith("server")]


@pytest.mark.parametrize("path", DETECTOR, ids=lambda path: path.name)
def test_the_detector_does_not_know_the_generator(path: Path) -> None:
    assert not [name for name in imported(path) if name.startswith("benchmarks")]


def test_a_seed_gives_the_same_site_again() -> None:
    one, two = (make_site(7, lat_deg=52.0, n_lamps=2, n_days=60) for _ in range(2))
    assert one.truths == two.truths
    np.testing.assert_array_equal(one.lux["lamp-01"], two.lux["lamp-01"])


def truth(kind: str, from_s: int, to_s: int, *, told: bool = True) -> Truth:
    return Truth(node="a", kind=kind, from_s=from_s, to_s=to_s, told=told, tellable_s=from_s)


def claim(kind: str, from_s: int, to_s: int | None) -> Claim:
    return Claim(node="a", kind=kind, from_s=from_s, to_s=to_s, raised_s=from_s)


def test_a_fault_told_twice_is_one_hit_and_one_false_alarm() -> None:
    day = 86_400
    pairs = match(
        [truth("lampFailure", 0, 9 * day)],
        [claim("lampFailure", 0, 4 * day), claim("lampFailure", 5 * day, 9 * day)],
    )
    assert [(pair.truth is None, pair.claim is None) for pair in pairs] == [
        (False, False),
        (True, False),
    ]


def test_what_cannot_be_told_counts_neither_way() -> None:
    untold = truth("lampFailure", 0, 100, told=False)
    assert match([untold], [claim("lampFailure", 0, 100)]) == []
    assert match([untold], []) == []
