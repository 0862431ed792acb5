"""What one fixed network reaches in the same time: a ResNet-18 by hand, or our plain convolutional network.

    python -m benchmarks.image_baseline resnet18 HOME SECONDS

HOME is as `benchmarks.image.prepare` leaves it. `resnet18`: torch alone, from scratch, all cores; SGD with momentum and
a one-cycle schedule that ends with the time, random crops and mirror images; the stem of small images up to 64 pixels,
that of ImageNet above (He et al., arXiv 1512.03385). `plain`: our family `cnn` with plain blocks and all of the time.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from automl.search.budget import usable_cores
from benchmarks.image import pictures, score

BATCH = 128
PEAK = 0.1
WARM_UP = 0.2
SMALL = 64  # pixels up to which nothing is thrown away by the stem
VALIDATION = 8  # one row in so many


@dataclass(frozen=True)
class Data:
    """uint8 (n, S, S, 3) and int64 classes or float32 logarithms of numbers (n,)."""

    pixels: Tensor
    target: Tensor


def main() -> None:
    who, home, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    deadline = time.time() + seconds
    entry = json.loads((home / "entry.json").read_text())
    side = side_of(home / "train")
    (train, names), (test, _) = read(home / "train", entry, side), read(home / "test", entry, side)
    torch.set_num_threads(usable_cores())
    outputs = (resnet if who == "resnet18" else plain)(train, test, names, deadline, entry)
    if names:
        answers, truth = np.array(names)[outputs.argmax(axis=1)], pd.Series(np.array(names)[test.target.numpy()])
    else:
        answers, truth = np.expm1(outputs), pd.Series(np.expm1(test.target.double().numpy()))
    taken = seconds + time.time() - deadline
    print(json.dumps({"score": score(truth, answers, entry["metric"]), "fit_s": round(taken, 1)}))


def side_of(folder: Path) -> int:
    """The median of the shorter sides of some images."""
    paths = pictures(folder)
    shorter = []
    for path in paths[:: max(len(paths) // 200, 1)]:
        with Image.open(path) as image:
            shorter.append(min(image.size))
    return int(np.median(shorter))


def read(folder: Path, entry: dict[str, str], side: int) -> tuple[Data, list[str]]:
    """The images of a part, and the names of the classes."""
    table = folder / "labels.csv"
    if table.exists():
        frame = pd.read_csv(table)
        paths = [folder / name for name in frame["frontal"]]
        names: list[str] = []
        target = torch.tensor(np.log1p(frame[entry["target"]].to_numpy(dtype=np.float32)))
    else:
        paths = pictures(folder)
        names = sorted({path.parent.name for path in paths})
        target = torch.tensor([names.index(path.parent.name) for path in paths])
    loaded = []
    for path in paths:
        with Image.open(path) as image:
            loaded.append(np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)))
    return Data(torch.from_numpy(np.stack(loaded)), target), names


class Basic(nn.Module):
    def __init__(self, given: int, made: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(given, made, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(made, made, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(made), nn.BatchNorm2d(made)])
        self.short = nn.Sequential()
        if stride > 1 or given != made:
            self.short = nn.Sequential(nn.Conv2d(given, made, 1, stride, bias=False), nn.BatchNorm2d(made))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norms[0](self.first(x)))
        return F.relu(self.norms[1](self.second(y)) + self.short(x))


def resnet18(side: int, outputs: int) -> nn.Sequential:
    small = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    large = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    layers: list[nn.Module] = small if side <= SMALL else large
    width = 64
    for made, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Basic(width, made, stride), Basic(made, made, 1)]
        width = made
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, outputs))
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def resnet(train: Data, test: Data, names: list[str], deadline: float, entry: dict[str, str]) -> np.ndarray:
    """Outputs for the test part: logits (n, classes), or values (n,)."""
    torch.manual_seed(0)
    network = resnet18(train.pixels.shape[1], max(len(names), 1))
    optimiser = torch.optim.SGD(network.parameters(), PEAK, momentum=0.9, weight_decay=5e-4, nesterov=True)
    centre, deviation = (0.0, 1.0) if names else (float(train.target.mean()), float(train.target.std()))
    began, allowed = time.time(), 0.93 * (deadline - time.time())
    network.train()
    while time.time() - began < allowed:
        for chosen in torch.split(torch.randperm(len(train.target)), BATCH):
            done = min((time.time() - began) / allowed, 1.0)
            rate = done / WARM_UP if done < WARM_UP else (1 - done) / (1 - WARM_UP)
            optimiser.param_groups[0]["lr"] = PEAK * max(rate, 1e-3)
            outputs, target = network(changed(as_input(train.pixels[chosen]))), train.target[chosen]
            loss = (
                F.cross_entropy(outputs, target) if names else F.mse_loss(outputs[:, 0], (target - centre) / deviation)
            )
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            if not names:  # squared errors of a few houses throw it off at this rate
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            if time.time() - began >= allowed:
                break
    network.eval()
    with torch.inference_mode():
        parts = [network(as_input(part)) for part in torch.split(test.pixels, BATCH)]
    said = torch.cat(parts).double().numpy()
    return said if names else said[:, 0] * deviation + centre


def as_input(pixels: Tensor) -> Tensor:
    return (pixels.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25


def changed(x: Tensor) -> Tensor:
    """Mirrored by half, and moved by up to an eighth of the side."""
    n, _, height, width = x.shape
    x = torch.where((torch.rand(n) < 0.5).view(-1, 1, 1, 1), x.flip(3), x)
    most = height // 8
    x = F.pad(x, (most, most, most, most))
    places = torch.randint(0, 2 * most + 1, (n, 2)).tolist()
    moved = [x[row, :, top : top + height, left : left + width] for row, (top, left) in enumerate(places)]
    return torch.stack(moved).contiguous(memory_format=torch.channels_last)


def plain(train: Data, test: Data, names: list[str], deadline: float, entry: dict[str, str]) -> np.ndarray:
    """Outputs for the test part by our own plain network, trained until the time is up."""
    from optuna.trial import FixedTrial

    from automl.data.schema import Column, Schema
    from automl.task import Examples, Features, Problem, Progress
    from automl_image.cnn import Cnn

    column = Column("image", "image", side=train.pixels.shape[1])
    schema = Schema((column,), entry["target"], "classify" if names else "regress", tuple(names))
    problem, family = Problem(schema, "image", entry["metric"]), Cnn()
    parameters = next(dict(point) for point in family.portfolio(problem) if point["block"] == "plain")
    learner = family.build(FixedTrial({**parameters, "epochs": 60}), problem)
    examples = Examples(features(train, Features), target_of(train, names))
    order = np.random.default_rng(0).permutation(len(train.target))
    valid, rest = np.sort(order[::VALIDATION]), np.setdiff1d(order, order[::VALIDATION])
    until = deadline - 0.05 * (deadline - time.time())
    learner.fit(examples.take(rest), examples.take(valid), Progress(until, threads=torch.get_num_threads()))
    said = learner.predict(features(test, Features))
    return said if names else np.log1p(np.clip(said, 0, None))


def features(data: Data, kind: Any) -> Any:
    """As the task `image` makes them, of one image a row and nothing beside it."""
    rows = len(data.target)
    arrays = {"images": data.pixels[:, None].numpy(), "numbers": np.zeros((rows, 0), dtype=np.float32)}
    return kind({**arrays, "codes": np.zeros((rows, 0), dtype=np.int32)})


def target_of(data: Data, names: list[str]) -> np.ndarray:
    return data.target.numpy() if names else np.expm1(data.target.double().numpy())


if __name__ == "__main__":
    main()
