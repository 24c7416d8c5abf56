"""Which kept figures are of the present code: a hash of what computes them is kept beside them."""

import ast
import hashlib
import io
import re
import tokenize
from pathlib import Path

import msgspec

from benchmarks.evaluation.tally import Figures

_METHODS = Path(__file__).parents[2] / "server" / "evaluation"
_WORLDS = Path(__file__).parent / "worlds.py"
FIGURES = Path(__file__).parent / "figures"
_KEPT = FIGURES / "code.json"

_LINEAR = ("linear", "segmented")
_COUNT_ITS = (*_LINEAR, "count_regression", "latent_ar1")
_SITES = ("did", "panel", "randomisation")
# The modules of `server/evaluation/` whose code the numbers of each part come out of.
SOURCES: dict[str, tuple[str, ...]] = {
    "counts": ("count_table",),
    "count2x2": ("count_table", "count_report"),
    "its": _LINEAR,
    "count-its": _COUNT_ITS,
    "did": _SITES,
    "did-many": _SITES,
    "sc": ("synthetic_control",),
    "bsts": ("bsts",),
    "survey": ("survey",),
    "causal_impact": ("bsts",),
    "streets": (*_SITES, *_COUNT_ITS, "synthetic_control", "bsts", "its", "its_models"),
}


def code_hash(part: str) -> str:
    """SHA-256 over the sources of one part, less comments, docstrings and white space."""
    digest = hashlib.sha256()
    for path in [*(_METHODS / f"{name}.py" for name in SOURCES[part]), _WORLDS]:
        digest.update(bare(path.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()


def bare(source: str) -> str:
    """Python source without what can't change a number."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            for row in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[row] = ""
    joined = re.sub(r"\s+", "", "\n".join(lines))
    return re.sub(r'"f?"', "", joined)  # where a long text is broken is white space too


def kept_rows(group: str) -> list[Figures]:
    """The kept rows of one group of simulations; none if it was never run."""
    path = FIGURES / f"{group}.json"
    return msgspec.json.decode(path.read_bytes(), type=list[Figures]) if path.exists() else []


def mark(part: str, code: str) -> None:
    """Keep the hash of the code that a part's figures were just computed with."""
    kept = {**_kept(), part: code}
    text = msgspec.json.format(msgspec.json.encode(dict(sorted(kept.items()))), indent=1).decode()
    _KEPT.write_text(text + "\n", encoding="utf-8")


def fresh(part: str) -> bool:
    """Whether a part's figures were computed with the present code."""
    return _kept().get(part) == code_hash(part)


def _kept() -> dict[str, str]:
    return msgspec.json.decode(_KEPT.read_bytes(), type=dict[str, str]) if _KEPT.exists() else {}
