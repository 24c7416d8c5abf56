"""From moving blobs to people: fragments joined, groups parted.

A blob is what moved, not who. One person may come as head and legs; several may come as one. The
tracker says where it awaits the people it knows, and that parts most groups.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Rectangle = tuple[float, float, float, float]

LEAST_TALL_PX = 14
LEAST_AREA_PX2 = 45
# A walker in mid-stride is this wide, as a share of the height; wider is more than one.
WIDEST_PERSON = 0.72
TYPICAL_PERSON = 0.42
# Share of an awaited person that must lie inside a blob for it to be theirs too.
INSIDE_SHARE = 0.55
# How far from the prediction a foot may be found in a shared blob, in body heights.
FOOT_SLACK = 0.15
# Two pieces belong to one person when the gap between them is this small a share of both heights.
LARGEST_GAP = 0.35


@dataclass(frozen=True, eq=False)
class Blob:
    """Connected foreground: its box, area and mask inside the box."""

    box: Rectangle
    area_px2: int
    mask: NDArray[np.bool_]


def people_in(blobs: list[Blob], expected: list[Rectangle]) -> list[Rectangle]:
    """Boxes of people, given the blobs of a frame and where people are awaited."""
    people: list[Rectangle] = []
    for blob in join_fragments(blobs, expected):
        if blob.area_px2 < LEAST_AREA_PX2 or height(blob.box) < LEAST_TALL_PX:
            continue
        inside = [box for box in expected if share_inside(box, blob.box) >= INSIDE_SHARE]
        if len(inside) > 1:
            people += part_by_expected(blob, inside)
        else:
            people += part_by_width(blob)
    return people


def join_fragments(blobs: list[Blob], expected: list[Rectangle]) -> list[Blob]:
    """Put pieces together that stand above each other or belong to the same awaited person."""
    left = sorted(blobs, key=lambda blob: -blob.area_px2)
    joined: list[Blob] = []
    while left:
        blob = left.pop(0)
        again = True
        while again:
            again = False
            for other in left:
                if same_person(blob.box, other.box, expected):
                    blob = union(blob, other)
                    left.remove(other)
                    again = True
                    break
        joined.append(blob)
    return joined


def same_person(one: Rectangle, two: Rectangle, expected: list[Rectangle]) -> bool:
    """Whether two pieces are one body: stacked closely, or both inside one awaited box."""
    both = hull(one, two)
    wide = min(one[2], two[2]) - max(one[0], two[0])
    gap = max(one[1], two[1]) - min(one[3], two[3])
    narrower = min(one[2] - one[0], two[2] - two[0])
    awaited = [box for box in expected if share_inside(both, grown(box, 0.15)) > 0.9]
    if awaited:
        return True
    upright = both[2] - both[0] <= WIDEST_PERSON * height(both)
    return wide > 0.5 * narrower and gap < LARGEST_GAP * height(both) and gap < 8 and upright


def part_by_expected(blob: Blob, inside: list[Rectangle]) -> list[Rectangle]:
    """The awaited people, spread so that they fill the blob they share.

    The outermost two touch the blob's edges, those between keep their proportions. Each stands
    where the blob's lowest pixel under it says, unless that is somebody nearer.
    """
    around = hull(*inside)
    stretch_left, stretch_right = blob.box[0] - around[0], blob.box[2] - around[2]
    wide = max(around[2] - around[0], 1.0)
    people = []
    for left, top, right, bottom in inside:
        part = ((left + right) / 2 - around[0]) / wide
        shift = stretch_left + part * (stretch_right - stretch_left)
        foot = lowest(blob, left + shift, right + shift)
        drop = foot - bottom if abs(foot - bottom) < FOOT_SLACK * (bottom - top) else 0.0
        people.append((left + shift, top + drop, right + shift, bottom + drop))
    return people


def lowest(blob: Blob, left: float, right: float) -> float:
    """Bottom of the blob between two columns; infinite where it has none."""
    start = max(0, round(left - blob.box[0]))
    rows = np.flatnonzero(blob.mask[:, start : max(start, round(right - blob.box[0]))].any(axis=1))
    return blob.box[1] + int(rows[-1]) + 1 if rows.size else math.inf


def part_by_width(blob: Blob) -> list[Rectangle]:
    """Equal shares of a blob that is too wide for one person; each stands on its own feet."""
    left, _, right, _ = blob.box
    tall = height(blob.box)
    if right - left <= WIDEST_PERSON * tall:
        return [blob.box]
    count = max(2, round((right - left) / (TYPICAL_PERSON * tall) * 0.75))
    edges = np.linspace(0, blob.mask.shape[1], count + 1).round().astype(int)
    pieces = []
    for start, stop in pairwise(edges):
        rows = np.flatnonzero(blob.mask[:, start:stop].any(axis=1))
        if rows.size and rows[-1] - rows[0] >= LEAST_TALL_PX - 1:
            top, bottom = blob.box[1] + int(rows[0]), blob.box[1] + int(rows[-1]) + 1
            pieces.append((left + int(start), top, left + int(stop), bottom))
    return pieces


def union(one: Blob, two: Blob) -> Blob:
    box = hull(one.box, two.box)
    mask = np.zeros((int(box[3] - box[1]), int(box[2] - box[0])), bool)
    for part in (one, two):
        x, y = int(part.box[0] - box[0]), int(part.box[1] - box[1])
        mask[y : y + part.mask.shape[0], x : x + part.mask.shape[1]] |= part.mask
    return Blob(box, one.area_px2 + two.area_px2, mask)


def hull(*boxes: Rectangle) -> Rectangle:
    """The smallest rectangle around all."""
    return (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )


def grown(box: Rectangle, share: float) -> Rectangle:
    by = share * height(box)
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def height(box: Rectangle) -> float:
    return box[3] - box[1]


def area(box: Rectangle) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def share_inside(box: Rectangle, around: Rectangle) -> float:
    """Which share of `box` lies inside `around`."""
    common = (
        max(box[0], around[0]),
        max(box[1], around[1]),
        min(box[2], around[2]),
        min(box[3], around[3]),
    )
    return area(common) / max(area(box), 1e-6)
