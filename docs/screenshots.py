"""Pictures of the console: phone and desk, light and dark.

    python -m docs.screenshots http://127.0.0.1:8000

Works against any running `msl serve`; writes console-390.png and console-1280.png, and with
`--all` the dark ones too, to docs/img.
"""

import argparse
import sys
from pathlib import Path

from docs.chromium import Browser, BrowserError

FOLDER = Path(__file__).parent / "img"
HEIGHTS_PX = {390: 1500, 1280: 900}
# Live, or a page that never will be: the one without a database.
SETTLED = "!document.getElementById('live') || document.querySelector('[data-live=yes]') !== null"


def main() -> None:
    """Take the pictures that the documentation shows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where msl serve listens")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the pictures")
    parser.add_argument("--all", action="store_true", help="dark ones too")
    parser.add_argument("--height", type=int, help="of the picture in px; default by width")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    try:
        with Browser() as browser:
            for width_px, height_px in HEIGHTS_PX.items():
                for dark in (False, True) if chosen.all else (False,):
                    target = chosen.out / f"console-{width_px}{'-dark' if dark else ''}.png"
                    height = chosen.height or height_px
                    browser.show(width_px=width_px, height_px=height, dark=dark)
                    browser.open(chosen.url)
                    browser.wait_for(SETTLED)
                    browser.picture(target)
                    print(target)
    except BrowserError as error:
        sys.exit(f"screenshots: {error}")


if __name__ == "__main__":
    main()
