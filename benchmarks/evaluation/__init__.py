"""What the methods of `server.evaluation` are worth: published numbers, simulation, streets.

`python -m benchmarks.evaluation simulate|streets|page`; the last one writes docs/methods.md from
the figures of the others.
"""
