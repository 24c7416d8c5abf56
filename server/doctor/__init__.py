"""One look at the whole platform: what works, what doesn't, and what to do about it."""
