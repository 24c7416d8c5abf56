"""Incidents and surveys from other people's tables, row by row or not at all."""
