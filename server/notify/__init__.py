"""The system's one notifier: lamps, nodes and streams, in episodes, never about people."""
