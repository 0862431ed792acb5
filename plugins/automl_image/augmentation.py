"""Random changes of training images, drawn anew whenever an image is seen. Images: float32 (n, 3, H, W), 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from automl_image.shapes import Augmentation, Mix

SHIFT = 0.125  # of the side at most
LEAST_AREA = 0.5  # of the image that a crop shows
TURN, ZOOM, MOVE, LIGHT = 0.26, 0.25, 0.2, 0.3  # of an affine view at most: radians, shares of the side, of contrast
OPERATIONS = 12  # of TrivialAugment, the last ones of which change nothing
MIXUP = 0.2  # of the beta distribution that shares are drawn from


def augmented(x: Tensor, plan: Augmentation) -> Tensor:
    """Each image mirrored or not, seen in another way, and with a hole, as the plan says."""
    if plan.flip:
        mirrored = torch.rand(len(x), device=x.device) < 0.5
        x = torch.where(_each(mirrored), x.flip(3), x)
    x = VIEWS[plan.view](x)
    return with_hole(x, plan.cutout) if plan.cutout else x


def shifted(x: Tensor) -> Tensor:
    """Moved by whole pixels; what comes in is a reflection."""
    n, _, height, width = x.shape
    most = max(round(SHIFT * height), 1)
    padded = F.pad(x, (most, most, most, most), mode="reflect").permute(0, 2, 3, 1)
    top, left = torch.randint(0, 2 * most + 1, (2, n, 1, 1), device=x.device)
    rows = top + torch.arange(height, device=x.device).view(1, -1, 1)
    columns = left + torch.arange(width, device=x.device).view(1, 1, -1)
    return padded[torch.arange(n, device=x.device).view(-1, 1, 1), rows, columns].permute(0, 3, 1, 2)


def cropped(x: Tensor) -> Tensor:
    """A part of half the area or more, stretched by up to a third, at the size of the whole, relit."""
    n = len(x)
    area = LEAST_AREA + (1 - LEAST_AREA) * torch.rand(n, device=x.device)
    stretch = torch.exp(_spread(x, math.log(4 / 3)) / 2)
    wide, high = (area.sqrt() * stretch).clamp(max=1), (area.sqrt() / stretch).clamp(max=1)
    none = torch.zeros_like(wide)
    view = _matrix((wide, none, _spread(x, 1.0) * (1 - wide)), (none, high, _spread(x, 1.0) * (1 - high)))
    return _relit(_sampled(x, view), LIGHT / 2)


def turned(x: Tensor) -> Tensor:
    """Turned, zoomed into, moved and relit."""
    angle, scale = _spread(x, TURN), 1 - _spread(x, ZOOM).abs()
    cos, sin = angle.cos() * scale, angle.sin() * scale
    return _relit(_sampled(x, _matrix((cos, -sin, _spread(x, MOVE)), (sin, cos, _spread(x, MOVE)))), LIGHT)


def trivial(x: Tensor) -> Tensor:
    """One of the usual operations on each image, of any strength, after a shift.

    TrivialAugment (Müller and Hutter, arXiv 2103.10158) with the ranges of RandAugment; without equalising, which costs
    more than the network.
    """
    x = shifted(x)
    kind = torch.randint(0, OPERATIONS, (len(x),), device=x.device)
    strength = _spread(x, 1.0)
    for number, operation in enumerate(TRIVIAL):
        chosen = (kind == number).nonzero()[:, 0]
        if len(chosen):
            x[chosen] = operation(x[chosen], strength[chosen])
    return x


def with_hole(x: Tensor, share: float) -> Tensor:
    """A square anywhere, of this share of the side, in the image's mean colour (DeVries and Taylor, 1708.04552)."""
    n, _, height, width = x.shape
    rows = (torch.arange(height, device=x.device) + 0.5) / height
    columns = (torch.arange(width, device=x.device) + 0.5) / width
    row, column = torch.rand((2, n, 1), device=x.device)
    tall, broad = (rows - row).abs() < share / 2, (columns - column).abs() < share / 2
    hole = (tall[:, :, None] & broad[:, None, :])[:, None]
    return torch.where(hole, x.mean(dim=(2, 3), keepdim=True), x)


def mixed(x: Tensor, target: Tensor, mix: Mix) -> tuple[Tensor, Tensor]:
    """Images (n, k, 3, H, W) and class shares (n, classes), each with some of another's: blended (mixup, Zhang et al.,
    1710.09412), or with a part of it pasted in (cutmix, Yun et al., 1905.04899)."""
    other = torch.randperm(len(x), device=x.device)
    if mix == "mixup":
        kept = float(torch.distributions.Beta(MIXUP, MIXUP).sample())
        return kept * x + (1 - kept) * x[other], kept * target + (1 - kept) * target[other]
    height, width = x.shape[-2:]
    side = math.sqrt(float(torch.rand(())))
    tall, broad = int(height * side), int(width * side)
    top, left = (int(torch.randint(0, room + 1, ())) for room in (height - tall, width - broad))
    pasted = x.clone()
    part = (..., slice(top, top + tall), slice(left, left + broad))
    pasted[part] = x[other][part]
    kept = 1 - tall * broad / (height * width)
    return pasted, kept * target + (1 - kept) * target[other]


def _turn(x: Tensor, strength: Tensor) -> Tensor:
    angle, none = strength * math.pi / 6, torch.zeros_like(strength)
    return _sampled(x, _matrix((angle.cos(), -angle.sin(), none), (angle.sin(), angle.cos(), none)))


def _shear(x: Tensor, strength: Tensor) -> Tensor:
    along = torch.rand(len(x), device=x.device) < 0.5
    none, one, most = torch.zeros_like(strength), torch.ones_like(strength), 0.3 * strength
    return _sampled(
        x, _matrix((one, torch.where(along, most, none), none), (torch.where(along, none, most), one, none))
    )


def _blended(base: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Nearer to or farther from another image."""
    return lambda x, strength: torch.lerp(base(x), x, _each(1 + 0.9 * strength)).clamp(0, 1)


def _posterised(x: Tensor, strength: Tensor) -> Tensor:
    steps = 2 ** (8 - (6 * _each(strength).abs()).floor())
    return ((x * steps).floor() / steps).clamp(0, 1)


def _solarised(x: Tensor, strength: Tensor) -> Tensor:
    return torch.where(x >= 1 - _each(strength).abs(), 1 - x, x)


def _stretched(x: Tensor, strength: Tensor) -> Tensor:
    low, high = x.amin(dim=(2, 3), keepdim=True), x.amax(dim=(2, 3), keepdim=True)
    return (x - low) / (high - low).clamp(min=1e-3)


def _blurred(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def _relit(x: Tensor, most: float) -> Tensor:
    """Brighter or darker, and of another contrast."""
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    return ((x - middle) * _each(1 + _spread(x, most)) + middle * _each(1 + _spread(x, most))).clamp(0, 1)


def _spread(x: Tensor, most: float) -> Tensor:
    """A number for each image, from -most to most."""
    return (torch.rand(len(x), device=x.device) * 2 - 1) * most


def _each(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


def _matrix(*rows: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """(n, 2, 3): where each place looks; positions run from -1 to 1."""
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def _sampled(x: Tensor, view: Tensor) -> Tensor:
    grid = F.affine_grid(view, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "shift": shifted,
    "crop": cropped,
    "affine": turned,
    "trivial": trivial,
}
TRIVIAL: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    _turn,
    _shear,
    _blended(torch.zeros_like),  # brightness
    _blended(lambda x: x.mean(dim=(1, 2, 3), keepdim=True).expand_as(x)),  # contrast
    _blended(lambda x: x.mean(dim=1, keepdim=True).expand_as(x)),  # colour
    _blended(_blurred),  # sharpness
    _posterised,
    _solarised,
    _stretched,
)
