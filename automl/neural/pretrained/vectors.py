"""What a frozen network says of rows: vectors, remembered for as long as the rows are. Imports torch."""

from __future__ import annotations

import time
from weakref import WeakKeyDictionary

import numpy as np
import torch

from automl.data.dataset import Array
from automl.neural.device import Device
from automl.neural.pretrained.start import Start
from automl.task import Features, Progress

CPU_BATCH, GPU_BATCH = 16, 128
TIME_SHARE = 0.6  # of a fit for the vectors of the training rows; the rest is for the head and for rows to be judged


def vectors_of(start: Start, features: Features) -> Array:
    """float32 (n, columns, width), each row as if it were alone: a product rounds otherwise in another company."""
    known = _alone.setdefault(features, {})
    key = _key(start)
    if key not in known:
        source = start.reading.source(features)
        device = "cpu"
        start.trunk.to(device)
        with torch.inference_mode():
            rows = [start.trunk(*source.inputs(torch.tensor([row]), False, device)) for row in range(len(source))]
        known[key] = torch.cat(rows).numpy()
    return known[key]


def vectors_in_time(start: Start, features: Features, seed: int, progress: Progress) -> tuple[Array, Array]:
    """Positions of as many rows as there is time for, drawn at random, and their vectors (n, columns, width).

    One batch of them at least. What an earlier trial reckoned is taken from it.
    """
    known = _in_time.setdefault(features, {})
    key = _key(start)
    source = start.reading.source(features)
    done, parts = known.get(key, (0, []))
    order = np.random.default_rng(seed).permutation(len(source))
    device = Device.of(progress.device)
    start.trunk.to(device.name)
    size = GPU_BATCH if device.is_gpu else CPU_BATCH
    until = time.time() + TIME_SHARE * (progress.deadline - time.time())
    with torch.inference_mode(), device.autocast():
        while done < len(order) and (not parts or time.time() < until):
            chosen = torch.from_numpy(order[done : done + size])
            parts.append(start.trunk(*source.inputs(chosen, False, device.name)).float().cpu().numpy())
            done += len(chosen)
    start.trunk.to("cpu")
    known[key] = done, parts
    return order[:done], np.concatenate(parts)


def _key(start: Start) -> str:
    return f"{start.origin['sha256']} {start.reading.key()}"


_alone: WeakKeyDictionary[Features, dict[str, Array]] = WeakKeyDictionary()
_in_time: WeakKeyDictionary[Features, dict[str, tuple[int, list[Array]]]] = WeakKeyDictionary()
