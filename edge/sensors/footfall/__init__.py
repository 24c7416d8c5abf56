"""Footfall: people crossing lines, counted on the node.

Only `camera/` and `vision/` (two processes) ever hold a frame. Everything else here works on
fixed-size count reports that come out of one pipe, and never imports OpenCV.
"""
