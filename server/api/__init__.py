"""The HTTP API: what is stored, as it is stored, with its coverage, units and reasons."""
