"""A checkpoint that the test makes is found, trained on, kept and served: the network cut off, the checkpoint gone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from automl.data.reading import Table
from automl.engine import FitRequest, FitResult, fit_source, fit_table
from automl.search.run import TrialStart
from automl.store import Store
from tests.neural.checkpoints import image_checkpoint, text_checkpoint

pytestmark = pytest.mark.slow

AUTOML = [sys.executable, "-m", "automl.cli"]
CUT_OFF = """
import socket
real = socket.socket.connect
def connect(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "localhost"):
        raise AssertionError(f"the network is cut off: {address}")
    return real(self, address)
socket.socket.connect = connect
"""
GOOD, BAD = ("lovely", "kind"), ("poor", "rude")
PLAIN = ("the", "room", "was", "near", "station", "and", "breakfast", "there", "with", "friends", "on", "sunday")


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that can reach nothing but this machine."""
    home = tmp_path_factory.mktemp("cut off")
    (home / "sitecustomize.py").write_text(CUT_OFF)
    return {**os.environ, "PYTHONPATH": f"{home}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


def reviews(rows: int = 78) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, rows)
    texts = [" ".join(rng.permutation([*rng.choice(PLAIN, 6), *rng.choice(GOOD if one else BAD, 4)])) for one in label]
    return pd.DataFrame({"review": texts, "label": np.where(label == 1, "good", "bad")})


def fitted(source: Table | Path, store: Path, name: str, family: str, checkpoint: Path, changed: dict) -> FitResult:  # type: ignore[type-arg]
    """One trial of this family; then the checkpoint is deleted."""
    start = TrialStart(family, {"weights": checkpoint.name, **changed})
    request = FitRequest(
        name=name,
        target="label",
        seconds=40,
        max_trials=1,
        executor="inline",
        weights=(str(checkpoint),),
        starts=(start,),
    )
    result = (
        fit_table(source, request, Store(store))
        if isinstance(source, Table)
        else fit_source(source, request, Store(store), lambda event: None)
    )
    assert [row.architecture for row in result.leaderboard] == [family]
    assert any(f"pretrained weights: {checkpoint.name}" in note for note in result.notes)
    shutil.rmtree(checkpoint)
    return result


def test_words_are_served_without_network_and_checkpoint(tmp_path: Path, cut_off: dict[str, str]) -> None:
    frame = reviews()
    checkpoint = text_checkpoint(tmp_path / "tiny-bert", frame["review"])
    changed = {"longest": 64, "way": "whole", "epochs": 8, "learning_rate": 1e-3, "weight_decay": 0.01}
    changed |= {"decay": 1.0, "dropout": 0.0, "label_smoothing": 0.0}
    result = fitted(Table(frame, name="words"), tmp_path / "store", "words", "text_finetune", checkpoint, changed)
    assert result.model.card.scores["out_of_fold"] > 0.8
    with serving("words", tmp_path / "store", cut_off) as client:
        reply = client.post("/predict", json={"rows": [{"review": "a lovely kind room"}, {"review": "rude and poor"}]})
        assert reply.status_code == 200, reply.text
        assert [each["prediction"] for each in reply.json()["predictions"]] == ["good", "bad"]


@pytest.mark.skipif("AUTOML_FULL" not in os.environ, reason="most of it is in tests/plugins; AUTOML_FULL=1 runs it")
def test_eyes_predict_without_network_and_checkpoint(tmp_path: Path, cut_off: dict[str, str]) -> None:
    rng = np.random.default_rng(0)
    for colour, pixel in {"blue": (40, 60, 200), "red": (210, 50, 40)}.items():
        (tmp_path / "pictures" / colour).mkdir(parents=True)
        for number in range(38):
            noisy = (np.array(pixel) + rng.normal(0, 40, (32, 32, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(tmp_path / "pictures" / colour / f"{number}.png")
    checkpoint = image_checkpoint(tmp_path / "tiny-resnet")
    changed = {"resolution": 1.0, "epochs": 6, "learning_rate": 3e-3, "weight_decay": 0.01, "decay": 0.9}
    changed |= {"frozen": 0.0, "dropout": 0.1, "label_smoothing": 0.0, "view": "shift", "flip": True}
    fitted(tmp_path / "pictures", tmp_path / "store", "eyes", "image_finetune", checkpoint, changed)
    command = [*AUTOML, "predict", "eyes", "pictures", "-o", "answers.csv", "--store", "store"]
    done = subprocess.run(command, cwd=tmp_path, env=cut_off, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answers = pd.read_csv(tmp_path / "answers.csv")
    assert len(answers) == 76
    answered = answers["label"] if "prediction" not in answers else answers["prediction"]
    assert (answered.to_numpy() == np.repeat(["blue", "red"], 38)).mean() > 0.9


def test_a_broken_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    reviews().to_csv(tmp_path / "reviews.csv", index=False)
    weights = text_checkpoint(tmp_path / "half", reviews()["review"]) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    command = [*AUTOML, "fit", "reviews.csv", "--target", "label", "--time", "10s", "--weights", "half", "--store", "s"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    said = " ".join(done.stderr.split())
    assert "is truncated: 5,000 bytes where" in said
    assert "Traceback" not in done.stderr


@contextmanager
def serving(name: str, store: Path, environment: dict[str, str]) -> Iterator[httpx.Client]:
    """A real server process, stopped as a service manager would."""
    command = [*AUTOML, "serve", name, "--port", "0", "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout is not None
            lines = (re.search(r"answers at (http://[\d.:]+)", line) for line in server.stdout)
            url = next((found[1] for found in lines if found), None)
            assert url, "the server ended before it was ready"
            with httpx.Client(base_url=url, timeout=30) as client:
                yield client
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
