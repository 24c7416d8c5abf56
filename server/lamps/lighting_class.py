"""Maintained average illuminance that EN 13201-2:2015 asks of a class, in lx (its tables 2 and 4).

P7 and M classes have none in lux: P7 asks nothing, M is about luminance, of which a lux sensor
says nothing.
"""

TARGET_LX = {
    "P1": 15.0, "P2": 10.0, "P3": 7.5, "P4": 5.0, "P5": 3.0, "P6": 2.0,
    "C0": 50.0, "C1": 30.0, "C2": 20.0, "C3": 15.0, "C4": 10.0, "C5": 7.5,
}  # fmt: skip
