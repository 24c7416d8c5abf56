"""What each stream's sensor gives to its windows: pieces of measurement, on the node's clock."""
