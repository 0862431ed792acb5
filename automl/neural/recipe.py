"""How a network is trained. Free of torch, so that a search may have recipes as parameters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How to train.

    `epochs`: passes over the rows; few rows are seen more often, until there are `fewest_steps`. `learning_rate`: of
    AdamW, the peak of a schedule that rises over `warm_up` of the steps and falls by a cosine. `label_smoothing`: share
    of a class target that is spread over all classes. `ema`: what is validated and kept is a moving average of the
    weights. `patience`: epochs without a better score after which training ends. `averaged`: so many of the best epochs
    are averaged at the end, as far as that helps.
    """

    epochs: int
    learning_rate: float
    weight_decay: float = 0.05
    batch: int = 64
    warm_up: float = 0.1
    label_smoothing: float = 0.0
    ema: bool = True
    patience: int = 10
    averaged: int = 3
    fewest_steps: int = 300
    clip: float = 5.0
