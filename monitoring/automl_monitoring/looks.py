"""Looking again and again: at which level a test may be made at its t-th look, so that false alarms do not add up.

LOND (Javanmard and Montanari 2015, "On online control of false discovery rate"): the t-th test is made at the level
rate · gamma(t) · (1 + discoveries so far), with a series gamma whose sum is 1. It decays slowly, like 1 / t, so that a
thousandth look still finds what matters, and each real finding gives level back.
"""

from __future__ import annotations

import math

SCALE = 0.07720838  # makes the sum of the series 1 (the constant of the R package onlineFDR)


def level_at(looks: int, discoveries: int, rate: float) -> float:
    """The level, 0 to 1, of the next test after so many looks, of which so many found something."""
    t = looks + 1
    gamma = SCALE * math.log(max(t, 2)) / (t * math.exp(math.sqrt(math.log(t))))
    return rate * gamma * (1 + min(discoveries, looks))
