"""Illuminance: I2C lux sensors -> samples of >= 100 ms -> window statistics."""
