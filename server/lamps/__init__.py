"""The lamps product: what detection finds, kept, ordered and told to who repairs it."""
