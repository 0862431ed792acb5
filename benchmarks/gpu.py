"""Training on a GPU: our loop beside a hand-written one, and two trials at once beside one after the other.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --images 512 --epochs 2        # a look without a GPU

The same network (a residual one of the family `cnn`), the same images (random, 64 pixels a side), batch, precision and
augmentation, and AdamW; the hand-written loop is what one would write in an afternoon: autocast, channels-last, data on
the device. Ours also keeps a moving average, follows a schedule, clips gradients and watches the clock. Neither has
validation rows. Counted are training images per second after a first epoch, which prepares. Two trials at once are two
processes, each with half the memory. Prints one JSON line a measurement, each with the chip's name.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from automl.data.schema import Column, Schema
from automl.neural.device import Device
from automl.neural.goal import Goal
from automl.neural.gpus import SHARE, find_gpus
from automl.neural.loop import train_network
from automl.neural.recipe import Recipe
from automl.task import Epoch, Problem, Progress
from automl_image.augmentation import augmented
from automl_image.material import Images, to_input
from automl_image.network import ImageNetwork
from automl_image.shapes import Augmentation, ConvolutionShape

SIDE, CLASSES = 64, 10
SHAPE = ConvolutionShape("residual", 32, 64, 2, 3, 3, "batch", "stride", "average")
AUGMENTATION = Augmentation("shift", flip=True, cutout=0.0, mix="none")
VALID_SHARE = 8  # one in so many


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=6, help="at least 2: the first is not counted")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--trial", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.trial:
        ours(options)
        return
    speed = {"hand-written": by_hand(options), "automl": ours(options)}
    for who, images in speed.items():
        tell(options, who=who, images_per_second=round(images))
    tell(options, who="automl as a share of hand-written", share=round(speed["automl"] / speed["hand-written"], 2))
    alone = side_by_side(options, 1)
    tell(options, who="two trials, one after the other", seconds=round(2 * alone, 1))
    tell(options, who="two trials at once", seconds=round(side_by_side(options, 2), 1))


def tell(options: argparse.Namespace, **figures: object) -> None:
    """One line of JSON."""
    device = Device.of(place())
    chip = torch.cuda.get_device_name() if device.is_gpu else f"no GPU: {platform.processor() or platform.machine()}"
    told = {"chip": chip, "precision": str(device.precision or torch.float32).removeprefix("torch.")}
    print(json.dumps({**figures, **told, "torch": torch.__version__, "images": options.images, "batch": options.batch}))


def place() -> str:
    """The GPU where there is one."""
    return "cuda" if find_gpus() and torch.cuda.is_available() else "cpu"


def network() -> ImageNetwork:
    torch.manual_seed(0)
    return ImageNetwork(SHAPE.trunk(SIDE), 1, 0, torch.zeros(CLASSES), dropout=0.1, flip=True)


def images(count: int) -> Images:
    """Random pixels and classes: what they show does not matter to how long they take."""
    rng = torch.Generator().manual_seed(0)
    return Images(
        torch.randint(0, 256, (count, 1, SIDE, SIDE, 3), dtype=torch.uint8, generator=rng),
        torch.zeros(count, 0),
        torch.randint(0, CLASSES, (count,), generator=rng),
        torch.ones(count),
        CLASSES,
        AUGMENTATION,
        Device("cpu"),
    )


def ours(options: argparse.Namespace) -> float:
    """Training images per second of `train_network`; of a fixed number of epochs it validates none."""
    device = Device.of(place())
    known, checked = images(options.images).on(device), images(options.images // VALID_SHARE).on(device)
    schema = Schema((Column("image", "image", side=SIDE),), "kind", "classify", tuple(map(str, range(CLASSES))))
    ends: list[float] = []

    def ended(epoch: Epoch) -> None:
        ends.append(time.perf_counter())

    recipe = Recipe(options.epochs, 1e-3, batch=options.batch, fewest_steps=0, patience=options.epochs)
    progress = Progress(device=device.name, threads=torch.get_num_threads(), epoch=ended, steps=options.epochs)
    goal = Goal.of(Problem(schema, "image", "log_loss"), None)
    train_network(network(), known, checked, goal, recipe, progress, seed=0)
    return options.images * (options.epochs - 1) / (ends[-1] - ends[0])


def by_hand(options: argparse.Namespace) -> float:
    """Training images per second of a plain loop."""
    device = torch.device(place())
    chosen = Device.of(device.type)
    net = network().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    data = images(options.images)
    pixels, target, none = data.pixels.to(device), data.target.to(device), data.beside.to(device)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, fused=True)
    scaler = torch.amp.GradScaler(device.type, enabled=chosen.precision is torch.float16)
    ends = []
    net.train()
    for _ in range(options.epochs):
        loss = one_epoch(net, optimizer, scaler, chosen, options.batch, (pixels, target, none))
        loss.item()  # waits for the device
        ends.append(time.perf_counter())
    return options.images * (options.epochs - 1) / (ends[-1] - ends[0])


def one_epoch(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    device: Device,
    batch: int,
    data: tuple[Tensor, Tensor, Tensor],
) -> Tensor:
    pixels, target, none = data
    loss = torch.zeros(())
    for rows in torch.randperm(len(target), device=target.device).split(batch):  # type: ignore[no-untyped-call]
        x = to_input(pixels[rows])
        x = augmented(x.flatten(0, 1), AUGMENTATION).view(x.shape)
        with device.autocast():
            loss = F.cross_entropy(net(x, none[rows]), target[rows])
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    return loss


def side_by_side(options: argparse.Namespace, count: int) -> float:
    """Seconds until so many trials, each a process, have ended."""
    words = [sys.executable, __file__, "--trial", "--images", str(options.images), "--epochs", str(options.epochs)]
    words += ["--batch", str(options.batch)]
    threads = str(max((os.cpu_count() or 1) // count, 1))
    environment = {**os.environ, SHARE: str(0.9 / count), "OMP_NUM_THREADS": threads}
    began = time.perf_counter()
    trials = [subprocess.Popen(words, env=environment) for _ in range(count)]
    assert [trial.wait() for trial in trials] == [0] * count
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
