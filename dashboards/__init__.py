"""Grafana dashboards as Python; `python -m dashboards` writes the JSON that Grafana loads.

Classic dashboard JSON through a thin layer of our own: every Grafana version loads it, and the
libraries that would write it are either stale (grafanalib: schema 12) or without PostgreSQL queries
(grafana-foundation-sdk). SQL here names views of the schema `dash` and nothing else.
"""
