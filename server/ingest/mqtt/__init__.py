"""MQTT 5 as far as an ingester needs it: bytes to packets and back, and one connection.

paho-mqtt spends 40 microseconds of Python a message before anybody has looked at it; what an
ingester does is to receive, and to say that it has stored. Clients that only send use paho.
"""
