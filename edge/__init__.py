"""The node: sensors become windows, windows records, and records reach the server once."""
