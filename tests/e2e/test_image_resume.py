"""kill -9 in the middle of an epoch loses that epoch and no other: the same command goes on from the last one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

KILLED_AFTER = 3  # epochs of the first trial


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """Noisy pictures with a bright bar, upright or lying."""
    rng = np.random.default_rng(0)
    for number in range(240):
        pixels = rng.integers(0, 120, (32, 32, 3), dtype=np.uint8)
        place, upright = rng.integers(4, 24), number % 2
        if upright:
            pixels[:, place : place + 4] += 100
        else:
            pixels[place : place + 4] += 100
        folder = tmp_path / "shapes" / ("upright" if upright else "lying")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return tmp_path / "shapes"


def epochs_until_killed(folder: Path, store: Path, count: int) -> list[int]:
    """The numbers of the epochs that a fit of one CNN tells of, until it is killed after so many of them."""
    options = ["--only", "cnn", "--max-trials", "1", "--workers", "1", "--json", "--store", str(store)]
    command = [sys.executable, "-m", "automl.cli", "fit", str(folder), *options]
    told: list[int] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "epoch":
                told.append(int(event["text"].removeprefix("epoch ")))
            if len(told) == count:
                process.kill()
                break
    return told


def test_a_fit_killed_in_an_epoch_goes_on_after_the_last_one(shapes: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert epochs_until_killed(shapes, store, 4) == [1, 2, 3, 4]
    first, *_ = epochs_until_killed(shapes, store, 2)
    assert first in (5, 6)  # its worker may have ended one more epoch, of which nobody was left to be told
    assert epochs_until_killed(shapes, store, 1)[0] > first
