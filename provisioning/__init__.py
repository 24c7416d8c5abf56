"""What puts the product onto machines: the local stack, broker configuration, cards and units."""
