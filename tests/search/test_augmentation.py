"""Synthetic rows: where they lie, that no validation row is one, and that they must prove their worth."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from automl.data.dataset import Dataset
from automl.data.reading import Table
from automl.data.schema import Column, Schema
from automl.data.splits import Split, make_split
from automl.engine import FitRequest
from automl.hooks import find_task
from automl.metrics import find_metric
from automl.opening import prepare
from automl.search.augmentation import MOST_ROWS, enlarged, worth_augmenting
from automl.search.events import TrialSpec
from automl.search.workbench import Workbench
from automl.task import Examples, Features, Problem

from .conftest import Family, evaluate_to_end

CLASSES = Problem(Schema((Column("a", "number"),), "y", "classify", ("no", "yes")), "tabular", "log_loss")
NUMBER = Problem(Schema((Column("a", "number"),), "y", "regress"), "tabular", "rmse")


def mixed_examples(rows: int = 60) -> Examples:
    """Two distant clouds, one per class, with a whole number, a hole, codes, texts and pictures."""
    rng = np.random.default_rng(0)
    target = np.arange(rows) % 2
    numbers = np.stack([10 * target + rng.random(rows), rng.integers(0, 50, rows)], axis=1).astype(np.float32)
    numbers[3, 0] = np.nan
    return Examples(
        Features(
            {
                "numbers": numbers,
                "codes": rng.integers(-1, 4, (rows, 2)).astype(np.int32),
                "texts": np.array([[f"text {row}"] for row in range(rows)], dtype=object),
                "image": rng.integers(0, 256, (rows, 4, 4, 3), dtype=np.uint8),
            }
        ),
        target,
    )


def test_synthetic_rows_lie_between_rows_of_their_class() -> None:
    examples = mixed_examples()
    more = enlarged(examples, CLASSES)
    assert len(more) == 2 * len(examples)
    for name, array in examples.features.arrays.items():
        np.testing.assert_array_equal(more.features[name][: len(examples)], array)
        assert more.features[name].dtype == array.dtype
    made, target = more.features["numbers"][len(examples) :], more.target[len(examples) :]
    first = made[:, 0][np.isfinite(made[:, 0])]
    side = target[np.isfinite(made[:, 0])]
    assert ((first >= 10 * side) & (first <= 10 * side + 1)).all()
    assert not np.isin(first, examples.features["numbers"][:, 0]).all()
    assert (made[:, 1] == np.rint(made[:, 1])).all()
    # What is no number comes from one parent, all of it from the same.
    parents = [text.split()[1] for text in more.features["texts"][len(examples) :, 0]]
    for position, parent in enumerate(map(int, parents)):
        assert target[position] == examples.target[parent]
        for name in ("codes", "image"):
            np.testing.assert_array_equal(
                more.features[name][len(examples) + position], examples.features[name][parent]
            )
    again = enlarged(examples, CLASSES)
    np.testing.assert_array_equal(again.features["numbers"], more.features["numbers"])


def test_a_number_as_the_target_moves_with_its_row() -> None:
    x = np.sort(np.random.default_rng(0).random(200)).astype(np.float32)[:, None]
    more = enlarged(Examples(Features({"numbers": x}), 3.0 * x[:, 0].astype(np.float64)), NUMBER)
    made = more.features["numbers"][200:, 0]
    np.testing.assert_allclose(more.target[200:], 3.0 * made, atol=1e-5)
    assert len(np.unique(np.concatenate([made, x[:, 0]]))) > 300


def test_a_lone_row_and_large_data_stay_as_they_are() -> None:
    one = Examples(Features({"numbers": np.zeros((3, 1), dtype=np.float32)}), np.array([0, 0, 1]))
    assert enlarged(one, CLASSES).target.tolist() == [0, 0, 1, 0, 0]
    rows = MOST_ROWS + 1
    many = Examples(Features({"numbers": np.zeros((rows, 1), dtype=np.float32)}), np.zeros(rows, dtype=np.int64))
    assert enlarged(many, CLASSES) is many
    texts = Examples(Features({"texts": np.array([["a"], ["b"]], dtype=object)}), np.array([0, 0]))
    assert enlarged(texts, CLASSES) is texts


def dataset_of(rows: int, noise: float) -> tuple[Dataset, Problem, Examples]:
    """The diabetes study's first rows, its target replaced by a smooth function of two columns and noise."""
    frame = load_diabetes(as_frame=True).frame.head(rows)
    rng = np.random.default_rng(0)
    frame["target"] = 1000 * (frame["bmi"] + frame["bp"]) + rng.normal(0, noise, rows)
    prepared = prepare(Table(frame), FitRequest(target="target", task="regress"))
    dataset, metric = prepared.dataset, prepared.metric
    problem = Problem(dataset.schema, "tabular", metric.name)
    features = find_task("tabular").features(dataset.schema, dataset.rows)
    return dataset, problem, Examples(features, dataset.target)


def test_rows_that_help_are_used_and_rows_that_do_not_are_not() -> None:
    metric = find_metric("rmse")
    for noise, worth in ((1.0, True), (500.0, False)):
        dataset, problem, examples = dataset_of(300, noise)
        split = Split(np.arange(len(dataset)) % 5, 5)
        verdict = worth_augmenting(problem, examples, split, metric)
        assert verdict.use is worth, verdict.note
        assert "rmse" in verdict.note
        assert "honest folds" in verdict.note


def test_what_cannot_be_measured_is_not_used() -> None:
    dataset, problem, examples = dataset_of(100, 1.0)
    split = make_split(dataset.target, dataset.schema, 0)
    late = worth_augmenting(problem, examples, split, find_metric("rmse"), deadline=time.time())
    assert not late.use
    assert "no time" in late.note
    wordy = Examples(Features({"texts": np.array([["a"]] * 100, dtype=object)}), dataset.target)
    assert "no numbers" in worth_augmenting(problem, wordy, split, find_metric("rmse")).note


@pytest.mark.parametrize("balance", ["none", "oversample"])
def test_no_row_is_judged_that_was_made(balance: str, tmp_path: Path) -> None:
    """The learner is taught more rows than there are; it is judged by each row once."""
    examples = mixed_examples(100)
    examples = Examples(Features({name: examples.features[name] for name in ("numbers", "codes")}), examples.target)
    taught: list[tuple[int, int]] = []

    class Watch:
        def fit(self, train, valid, progress) -> None:  # type: ignore[no-untyped-def]
            taught.append((len(train), len(valid)))

        def predict(self, features):  # type: ignore[no-untyped-def]
            return np.full((len(features), 2), 0.5)

        def save(self, folder: Path) -> None:
            pass

    split = Split(np.arange(100) % 5, 5)
    bench = Workbench(
        CLASSES,
        examples,
        split,
        find_metric("log_loss"),
        tmp_path,
        balance=balance,
        augment=True,  # type: ignore[arg-type]
    )
    evaluate_to_end(TrialSpec(1, "given", {}, 100.0, time.time() + 100, 1), Family(Watch), bench)
    assert taught == [(160, 20)] * 5
    out_of_fold = np.load(tmp_path / "00001" / "out_of_fold.npy")
    assert out_of_fold.shape == (100, 2)
    assert np.isfinite(out_of_fold).all()
