"""The node's own state: board, clock, link. What a board can't say is None with the reason."""
