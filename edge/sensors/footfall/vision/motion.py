"""Constant-velocity Kalman filter of one coordinate (Bar-Shalom et al., 2001, section 6.3.2).

Two numbers of state (position, velocity) and a symmetric covariance: cheaper in plain floats than
as matrices, and exact.
"""

from dataclasses import dataclass


@dataclass
class Axis:
    """Position (px) and velocity (px/s) along one axis.

    Attributes:
        p_xx, p_xv, p_vv: Covariance in px², px²/s, px²/s².
    """

    position: float
    velocity: float = 0.0
    p_xx: float = 0.0
    p_xv: float = 0.0
    p_vv: float = 0.0

    def predict(self, dt_s: float, acceleration_sd: float) -> None:
        """Move on by `dt_s`, with white acceleration of that standard deviation (px/s²)."""
        q = acceleration_sd**2
        self.position += self.velocity * dt_s
        self.p_xx += dt_s * (2 * self.p_xv + dt_s * self.p_vv) + q * dt_s**4 / 4
        self.p_xv += dt_s * self.p_vv + q * dt_s**3 / 2
        self.p_vv += q * dt_s**2

    def correct(self, measured: float, sd: float) -> float:
        """Take in a measurement with that standard deviation; returns the innovation in px."""
        innovation = measured - self.position
        total = self.p_xx + sd**2
        gain_x, gain_v = self.p_xx / total, self.p_xv / total
        self.position += gain_x * innovation
        self.velocity += gain_v * innovation
        self.p_vv -= gain_v * self.p_xv
        self.p_xv *= 1 - gain_x
        self.p_xx *= 1 - gain_x
        return innovation
