"""Emulated hardware at the lowest boundary, so that the code above it is the real one."""
