"""What the product must not contain: any way to keep a picture."""

from pathlib import Path

import pytest

import edge

EDGE = Path(edge.__file__).parent


@pytest.mark.parametrize(
    "word", ["imwrite", "imencode", "VideoWriter", "np.save", "tofile", "imshow"]
)
def test_no_source_can_write_a_picture(word: str) -> None:
    holders = [path.name for path in EDGE.rglob("*.py") if word in path.read_text()]
    assert holders == []
