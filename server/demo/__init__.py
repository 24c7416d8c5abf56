"""`msl demo`: the whole system on one machine, with a simulated pilot, through the real parts.

Nothing here is a shortcut: emulated hardware feeds real nodes, which spool, publish over mutual
TLS to a real Mosquitto, and are acknowledged by the real ingester once TimescaleDB has committed.
"""
