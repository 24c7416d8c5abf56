"""Whether the camera still looks where it looked: a nudged mount counts beside its line.

What stays in the picture for long, people and rain gone by a median over `WINDOW_S`, is compared
with what was learned at the start, by the direction of edges tile by tile: light, exposure and
contrast change an edge's strength and not its place. Only tiles that show clear edges then and now
have a say, so a corner that falls dark is no witness. A new view isn't learned: the lines were
drawn for the old one, so the counter stays blind until the view is back or a geometry comes.
"""

import math
from collections import deque
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.sensors.footfall.frames import Frame

Structure = NDArray[np.float32]

SMALL_PX = (96, 72)
TILES = (4, 6)
SAMPLE_S = 1.0
WINDOW_S = 30.0
# The tiles must disagree for this long; with half the window until the median turns, a move is
# said after about 35 s, and a lorry that stops for less isn't one.
PERSIST_S = 20.0
# Correlation of edges: the same place stays above 0.7 in rain and dusk, an unrelated one has 0
# with a spread of 0.15 over a tile's few edges.
CHANGED_UNDER = 0.35
SAME_OVER = 0.6
# A dense crowd that lingers reached 0.54 of the tiles in the worst of the rendered streets.
MOVED_SHARE = 0.6
# Fewer witnesses than this decide nothing.
LEAST_TILES = 5
# Root mean square gradient of a tile, grey levels per pixel, under which it shows nothing.
LEAST_EDGE = 0.4
CLEAR_OF_NOISE = 1.6
# Shadows wander and leaves fall: what was learned follows a view that still agrees.
FOLLOW_SHARE = 1 / 600


class View:
    """Learns the view of the first minute and says when another one has come to stay."""

    def __init__(self) -> None:
        self.moved = False
        self._recent: deque[NDArray[np.float32]] = deque(maxlen=round(WINDOW_S / SAMPLE_S))
        self._learned: Structure | None = None
        self._candidate: Structure | None = None
        self._candidate_s = 0.0
        self._next_s = float("-inf")
        self._agreed_s: float | None = None

    def look(self, frame: Frame) -> bool:
        """Whether the camera has been moved, as known after this frame."""
        if frame.media_s < self._next_s:
            return self.moved
        self._next_s = frame.media_s + SAMPLE_S
        small = cv2.resize(frame.grey, SMALL_PX, interpolation=cv2.INTER_AREA)
        self._recent.append(np.asarray(small, np.float32))
        samples = np.stack(self._recent)
        lasting = edges(np.median(samples, axis=0).astype(np.float32))
        noise = noise_of(samples)
        if len(self._recent) == self._recent.maxlen:
            self._judge(lasting, noise, frame.media_s)
        return self.moved

    def interrupt(self) -> None:
        """Nothing could be seen: what was gathered before doesn't mix with what comes."""
        self._recent.clear()
        self._agreed_s = None

    def _judge(self, lasting: Structure, noise: float, media_s: float) -> None:
        if self._learned is None:
            self._learn(lasting, noise, media_s)
            return
        least = SAME_OVER if self.moved else CHANGED_UNDER
        share = changed_share(self._learned, lasting, least, noise)
        if share is None:
            return
        if self._agreed_s is None or share < MOVED_SHARE:
            self._agreed_s = media_s
        if share < 1 - MOVED_SHARE:
            self._learned += FOLLOW_SHARE * (lasting - self._learned)
        if self.moved:
            self.moved = share >= 1 - MOVED_SHARE
        else:
            self.moved = media_s - self._agreed_s >= PERSIST_S

    def _learn(self, lasting: Structure, noise: float, media_s: float) -> None:
        """Believe a view that is still the same a whole window later: no one stood before it."""
        if self._candidate is None:
            self._candidate, self._candidate_s = lasting, media_s
        elif media_s - self._candidate_s >= WINDOW_S:
            share = changed_share(self._candidate, lasting, SAME_OVER, noise)
            if share is not None and share < 1 - MOVED_SHARE:
                self._learned = lasting
            self._candidate, self._candidate_s = lasting, media_s


def edges(picture: NDArray[np.float32]) -> Structure:
    """(2, height, width) gradient across and down, grey levels per pixel."""
    down, across = np.gradient(picture)
    return np.stack((across, down))


def changed_share(
    learned: Structure, lasting: Structure, least: float, noise: float
) -> float | None:
    """Share of the tiles with clear edges whose edges correlate by less than `least`.

    A long kerb looks the same however far the camera slides along it, so edges across and down
    are asked separately and the one that agrees less speaks for its tile. Edges are clear from
    `LEAST_EDGE` and `CLEAR_OF_NOISE` times `noise` on. None where fewer than `LEAST_TILES` are.
    """
    clear = max(LEAST_EDGE, CLEAR_OF_NOISE * noise)
    agreement = []
    for one, two in zip(tiles(learned), tiles(lasting), strict=True):
        found = [correlation(*pair, clear, noise) for pair in zip(one, two, strict=True)]
        spoken = [value for value in found if value is not None]
        if spoken:
            agreement.append(min(spoken))
    if len(agreement) < LEAST_TILES:
        return None
    return sum(value < least for value in agreement) / len(agreement)


def correlation(
    one: NDArray[np.float32], two: NDArray[np.float32], clear: float, noise: float
) -> float | None:
    """How alike two tiles' edges in one direction are, -1 to 1; None unless both are clear.

    Noise of its own in each would make the same place look strange; its share is taken out.
    """
    powers = [float(np.mean(part**2)) for part in (one, two)]
    if min(powers) < clear**2:
        return None
    true = [power - noise**2 for power in powers]
    return float(np.mean(one * two)) / math.sqrt(true[0] * true[1])


def noise_of(samples: NDArray[np.float32]) -> float:
    """What noise alone would give as edges of the median of (n, height, width) samples.

    From the middle change between neighbours in time, which people don't reach; a median of n
    spreads by 1.25 / sqrt(n), a central difference by 1 / sqrt(2).
    """
    if len(samples) < 2:
        return 0.0
    sd = 1.48 * float(np.median(np.abs(np.diff(samples, axis=0)))) / math.sqrt(2)
    return 1.25 * sd / math.sqrt(2 * len(samples))


def tiles(structure: Structure) -> list[Structure]:
    """The picture's tiles, row by row."""
    rows, columns = TILES
    tall, wide = structure.shape[1] // rows, structure.shape[2] // columns
    return [
        structure[:, row * tall : (row + 1) * tall, column * wide : (column + 1) * wide]
        for row, column in product(range(rows), range(columns))
    ]
