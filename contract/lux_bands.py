"""Bands of light in which a people counter is validated: day says nothing of night.

Half decades: wide enough to be filled, narrow enough for a camera to be the same within one.
"""

import math

EDGES_LX = (0.3, 1, 3, 10, 30, 100, 1000)


def lux_band(lux: float | None) -> str | None:
    """The band that a light level falls into, such as `3-10 lx`; None without a light sensor."""
    if lux is None:
        return None
    edges = [0.0, *EDGES_LX, math.inf]
    place = next(n for n, edge in enumerate(edges[1:], 1) if lux < edge)
    if math.isinf(edges[place]):
        return f"over {edges[place - 1]:g} lx"
    return f"{edges[place - 1]:g}-{edges[place]:g} lx"
