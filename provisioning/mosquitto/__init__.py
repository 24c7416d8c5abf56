"""Mosquitto's configuration and access list, generated from the contract."""
