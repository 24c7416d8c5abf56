"""The node: sensors become windows, windows become records, records reach the server exactly once."""
