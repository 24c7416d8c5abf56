"""Lamp diagnosis, scored: nights made with known faults, and what the detector said about them.

Everything but `score.py` and `__main__.py` makes nights and knows nothing of `server.lighting`
(a test holds it), so the detector can't be flattered by its own assumptions.
"""
