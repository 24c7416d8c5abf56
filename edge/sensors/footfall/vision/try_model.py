"""`python -m edge.sensors.footfall.vision.try_model FILE SHA256`: is it a YOLOX model for COCO?"""

import sys
from pathlib import Path

import cv2

from edge.sensors.footfall.vision.yolox import ModelRefused, YoloxDetector


def main() -> int:
    try:
        YoloxDetector(Path(sys.argv[1]), sys.argv[2])
    except ModelRefused as error:
        print(error, file=sys.stderr)
        return 1
    except cv2.error as error:
        print(f"model {sys.argv[1]} can't be run: {error.err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
