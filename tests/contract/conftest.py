"""Hypothesis without a deadline: a busy machine is not a failing test."""

from hypothesis import settings

settings.register_profile("shared_machine", deadline=None, max_examples=60)
settings.load_profile("shared_machine")
