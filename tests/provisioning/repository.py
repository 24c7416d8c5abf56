"""Where the repository is; shared by tests of what is deployed."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
