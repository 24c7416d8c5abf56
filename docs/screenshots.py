"""Pictures of the console by Debian's chromium: phone and desk, light and dark.

    python docs/screenshots.py http://127.0.0.1:8000

Works against any running `msl serve`; writes console-390.png and console-1280.png, and with
`--all` the dark ones too, to docs/img.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent / "img"
HEIGHTS_PX = {390: 1500, 1280: 900}
# The page is live after its first event; a picture before that would say "as of".
SETTLE_MS = 4000
TIMEOUT_S = 60


def take(url: str, target: Path, *, width_px: int, height_px: int, dark: bool = False) -> None:
    """One picture of `url`.

    Raises:
        SystemExit: There is no chromium, or it made no picture.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no chromium; install it with: apt-get install -y chromium")
    with tempfile.TemporaryDirectory() as profile:
        command = [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--hide-scrollbars", f"--user-data-dir={profile}",
            f"--timeout={SETTLE_MS}", f"--window-size={width_px},{height_px}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"--screenshot={target}", url,
        ]  # fmt: skip
        target.unlink(missing_ok=True)
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    if not target.exists():
        sys.exit(f"chromium made no picture of {url}: {done.stderr.strip()[-500:]}")


def main() -> None:
    """Take the pictures that the documentation shows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where msl serve listens")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the pictures")
    parser.add_argument("--all", action="store_true", help="dark ones too")
    parser.add_argument("--height", type=int, help="of the picture in px; default by width")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    for width_px, height_px in HEIGHTS_PX.items():
        for dark in (False, True) if chosen.all else (False,):
            target = chosen.out.resolve() / f"console-{width_px}{'-dark' if dark else ''}.png"
            height = chosen.height or height_px
            take(chosen.url, target, width_px=width_px, height_px=height, dark=dark)
            print(target)


if __name__ == "__main__":
    main()
