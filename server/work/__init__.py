"""The worker: what keeps running beside ingest: rollups, retention, releases, notifications."""
