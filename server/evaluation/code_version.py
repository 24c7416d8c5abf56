"""Which code computed: so that a re-run that differs can say why."""

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

from server.evaluation.evaluation import Code

_ROOT = Path(__file__).parent
# Outside this room, but numbers hang on it.
_BESIDE = (_ROOT.parent / "lighting" / "sun.py", _ROOT.parent.parent / "contract" / "lux_bands.py")


@cache
def code_version() -> Code:
    """Version, SHA-256 over the evaluation's sources, Python and the numeric libraries."""
    digest = hashlib.sha256()
    for path in [*sorted(_ROOT.rglob("*.py")), *_BESIDE]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return Code(
        version=version("municipal-safety-lab"),
        sha256=digest.hexdigest(),
        python=platform.python_version(),
        libraries={name: version(name) for name in ("numpy", "scipy")},
    )
