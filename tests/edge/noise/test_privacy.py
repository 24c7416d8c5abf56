"""Sound and picture never meet on the node, and no sound is kept."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import edge.sensors.noise

FOLDER = Path(edge.sensors.noise.__file__).parent


def test_noise_loads_nothing_of_the_camera() -> None:
    program = (
        "import sys, pkgutil, importlib, edge.sensors.noise as noise\n"
        "for module in pkgutil.iter_modules(noise.__path__):\n"
        "    importlib.import_module('edge.sensors.noise.' + module.name)\n"
        "bad = [name for name in sys.modules\n"
        "       if name.split('.')[0] == 'cv2' or name.startswith('edge.sensors.footfall')]\n"
        "sys.exit(' '.join(bad) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_noise_writes_no_file(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = {getattr(node, "attr", getattr(node, "id", "")) for node in ast.walk(tree)}
    forbidden = {"write_bytes", "write_text", "tofile", "save", "savez", "memmap", "soundfile"}
    assert not names & forbidden
    modes = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in ("wb", "w", "ab", "a", "r+b", "x")
    }
    assert not modes
