"""Random views of training images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def augment(x: Tensor, strength: float, flip: bool) -> Tensor:
    """Each image of (n, 3, H, W) turned, zoomed, moved and relit at random, or mirrored.

    At strength 1: by up to 20 degrees, to 70 % of the side, by 15 % of the side, by 40 % of contrast.
    """
    n = len(x)

    def spread(most: float) -> Tensor:
        return (torch.rand(n, device=x.device) * 2 - 1) * most * strength

    angle = spread(0.35)
    scale = 1 - spread(0.3).abs()
    mirror = torch.where(torch.rand(n, device=x.device) < 0.5, -1.0, 1.0) if flip else torch.ones_like(scale)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    view = torch.stack(
        [torch.stack([cos * mirror, -sin, spread(0.3)], 1), torch.stack([sin * mirror, cos, spread(0.3)], 1)],
        1,
    )  # (n, 2, 3); positions run from -1 to 1, so 0.3 is 15 % of the side
    grid = F.affine_grid(view, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    contrast, light = 1 + spread(0.4), spread(0.2)
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    x = (x - middle) * contrast.view(-1, 1, 1, 1) + middle + light.view(-1, 1, 1, 1)
    return x.clamp_(0, 1)
