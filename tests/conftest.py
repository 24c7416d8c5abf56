"""Fixtures for everybody: the local stack, fresh databases, certificates."""

pytest_plugins = ["tests.fixtures_stack"]
