"""The networks of the text plugin: their tokenizer, what they learn, what they save."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.trial import FixedTrial

from automl.data.dataset import Array, Dataset, object_array
from automl.data.reading import Table
from automl.hooks import find_architecture, find_task
from automl.task import Epoch, Examples, Features, Learner, Parameters, Problem, Progress, Pruned
from automl.testing import check_architecture, make_dataset
from automl_text.inputs import Inputs
from automl_text.tokens import PAD, UNKNOWN, Tokenizer

FAMILIES = ("mean_embedding", "text_network")
TEXTS = ["The quick brown fox jumps over the lazy dog.", "A lazy dog sleeps; the fox does not.", "Foxes and dogs!"] * 20
GOOD, BAD = ["lovely", "great", "superb", "pleasant", "bright"], ["awful", "poor", "broken", "rude", "dark"]
PLAIN = ["the", "room", "was", "near", "a", "station", "and", "we", "had", "breakfast", "there", "with", "friends"]


def reviews(rows: int = 120, seed: int = 0) -> pd.DataFrame:
    """Texts whose words tell the label; a number and a category beside them; a second text that says nothing."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows)
    texts = [
        " ".join(rng.permutation([*rng.choice(PLAIN, rng.integers(2, 9)), *rng.choice(GOOD if good else BAD, 3)]))
        for good in label
    ]
    texts[0] = ""
    others = [" ".join(rng.choice(PLAIN, 6)) for _ in label]
    stars = [str(value) if value < 5 else "" for value in np.round(label * 2 + rng.normal(2, 1, rows), 2)]
    columns = {"review": texts, "answer": others, "stars": stars, "city": rng.choice(["Oslo", "Rome", ""], rows)}
    return pd.DataFrame({**columns, "label": np.where(label, "good", "bad")})


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return make_dataset(Table(reviews().drop(columns="answer")))


# The tokenizer


def test_pieces_spell_texts_alike_every_time() -> None:
    first, second = (Tokenizer.learn(TEXTS, 200) for _ in range(2))
    assert first.model == second.model
    assert UNKNOWN + 1 < first.size <= 200
    cells = object_array(["the FOX", "the fox", "", "\N{FULLWIDTH LATIN SMALL LETTER F}ox"])[:, None]
    tokens = first.tokens(cells, 50)
    upper, lower, empty, wide = (tokens.padded(np.array([row]))[0, 0] for row in range(4))
    np.testing.assert_array_equal(upper, lower)
    assert empty.tolist() == [PAD]
    assert UNKNOWN not in wide


@pytest.mark.parametrize("texts", [[], [""], [" \n\t"], ["\0"]])
def test_of_nothing_no_pieces_are_learned(texts: list[str]) -> None:
    tokenizer = Tokenizer.learn(texts, 100)
    assert tokenizer.model == b""
    assert tokenizer.tokens(object_array(["a word", ""])[:, None], 9).lengths.tolist() == [0, 0]


@pytest.mark.parametrize("texts", [["a"], ["你好 世界", "日本語"], [chr(number) for number in range(0x4E00, 0x5200)]])
def test_large_and_tiny_alphabets_have_pieces(texts: list[str]) -> None:
    assert Tokenizer.learn(texts, 64).tokens(object_array(texts)[:, None], 9).lengths.min() > 0


def test_half_a_character_is_no_hindrance() -> None:
    tokenizer = Tokenizer.learn([*TEXTS, "\ud83d broken"], 200)
    assert tokenizer.size > 50
    assert tokenizer.tokens(object_array(["a \ud83d dog"])[:, None], 9).lengths.min() > 1


def test_tokens_are_laid_out_by_row_and_column() -> None:
    tokenizer = Tokenizer.learn(TEXTS, 200)
    tokens = tokenizer.tokens(object_array([*TEXTS[:3], ""]).reshape(2, 2), 4)
    assert len(tokens) == 2
    assert tokens.lengths.tolist() == [4, 4, 4, 0]
    both = tokens.padded(np.array([1, 0]), 6)
    assert both.shape == (2, 2, 6)
    assert (both[0, 1] == PAD).all()
    pairs = tokens.with_pairs(tokenizer.size, 1_000)
    assert pairs.lengths.tolist() == [7, 7, 7, 0]
    first = pairs.padded(np.array([0]))[0, 0]
    np.testing.assert_array_equal(first[:4], both[1, 0, :4])
    assert (first[4:] >= tokenizer.size).all()


def test_the_few_very_long_texts_are_cut(dataset: Dataset) -> None:
    texts = object_array([*TEXTS, " ".join(TEXTS)])[:, None]
    features = Features({"texts": texts, "numbers": np.zeros((61, 0)), "codes": np.zeros((61, 0), dtype=np.int32)})
    inputs, tokens = Inputs.learn(features, problem_of(make_dataset(Table(reviews()[["review", "label"]]))), 200, 500)
    assert inputs.longest == tokens.lengths.max() < 40


# The networks


@pytest.mark.parametrize("family", FAMILIES)
def test_the_contract_of_the_architectures(dataset: Dataset, family: str) -> None:
    check_architecture(find_architecture("text", family), dataset)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_contract_holds_for_a_number_and_two_texts(family: str) -> None:
    frame = reviews().assign(price=lambda frame: 100 + 10 * (frame["label"] == "good") + np.arange(120) / 100)
    check_architecture(find_architecture("text", family), make_dataset(Table(frame.drop(columns="label")), "price"))


@pytest.mark.parametrize(
    ("family", "entry"),
    [("mean_embedding", 0), ("mean_embedding", 1), *(("text_network", entry) for entry in range(3))],
)
def test_words_are_learned(dataset: Dataset, family: str, entry: int) -> None:
    learner, valid = fitted(dataset, family, entry)
    output = learner.predict(valid.features)
    assert (output.argmax(axis=1) == valid.target).mean() > 0.9
    order = np.random.default_rng(0).permutation(len(valid))[:19]
    np.testing.assert_array_equal(learner.predict(valid.features.take(order)), output[order])
    alone = [learner.predict(valid.features.take(order[[place]]))[0] for place in range(9)]
    np.testing.assert_array_equal(alone, output[order[:9]])


def test_a_pair_of_texts_is_compared() -> None:
    rng = np.random.default_rng(0)
    asked = [" ".join(rng.choice(PLAIN, 3, replace=False)) for _ in range(400)]
    same = rng.integers(0, 2, 400)
    others = [" ".join(rng.choice(PLAIN, 3, replace=False)) for _ in asked]
    answered = np.where(same, asked, others)
    frame = pd.DataFrame({"asked": asked, "answered": answered, "same": np.where(same, "yes", "no")})
    dataset = make_dataset(Table(frame), task="classify")
    learner, valid = fitted(dataset, "mean_embedding", 1)
    assert (learner.predict(valid.features).argmax(axis=1) == valid.target).mean() > 0.8


def test_what_stands_beside_counts_where_texts_say_nothing(dataset: Dataset) -> None:
    texts = np.full_like(find_task("text").features(dataset.schema, dataset.rows)["texts"], "")
    for family in FAMILIES:
        learner, valid = fitted(dataset, family, 0, texts=texts)
        output = learner.predict(valid.features)
        assert np.ptp(output[:, 0]) > 0.2
        assert (output.argmax(axis=1) == valid.target).mean() > 0.6


def test_without_time_the_answer_is_a_sound_constant(dataset: Dataset) -> None:
    shares = np.bincount(dataset.target) / len(dataset)
    for family in FAMILIES:
        learner, valid = fitted(dataset, family, 0, Progress(deadline=time.time()))
        np.testing.assert_allclose(learner.predict(valid.features).mean(axis=0), shares, atol=0.1)


def test_epochs_are_told_and_a_search_may_stop_them(dataset: Dataset) -> None:
    told: list[Epoch] = []

    def end(epoch: Epoch) -> None:
        told.append(epoch)
        if epoch.number == 2:
            raise Pruned

    with pytest.raises(Pruned):
        fitted(dataset, "mean_embedding", 0, Progress(epoch=end))
    assert [epoch.number for epoch in told] == [1, 2]


def test_a_killed_fit_goes_on_at_its_last_epoch(dataset: Dataset, tmp_path: Path) -> None:
    whole, valid = fitted(dataset, "mean_embedding", 0)

    def die(epoch: Epoch) -> None:
        if epoch.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(dataset, "mean_embedding", 0, Progress(epoch=die, checkpoint=tmp_path))
    seen: list[int] = []
    progress = Progress(epoch=lambda epoch: seen.append(epoch.number), checkpoint=tmp_path)
    resumed, _ = fitted(dataset, "mean_embedding", 0, progress)
    assert seen[0] == 4
    np.testing.assert_array_equal(resumed.predict(valid.features), whole.predict(valid.features))


def test_mean_embeddings_answer_without_torch(dataset: Dataset, tmp_path: Path) -> None:
    """A server that never imports torch starts in half the time and takes half the memory."""
    learner, valid = fitted(dataset, "mean_embedding", 1)
    learner.save(tmp_path)
    (tmp_path / "schema.json").write_text(dataset.schema.to_json())
    np.save(tmp_path / "texts.npy", valid.features["texts"][:3].astype("U"))
    code = f"""
import sys, numpy as np
from pathlib import Path
from automl.data.schema import Schema
from automl.hooks import find_architecture
from automl.task import Features, Problem
folder = Path({str(tmp_path)!r})
problem = Problem(Schema.load(folder / "schema.json"), "text", "log_loss")
texts = np.load(folder / "texts.npy").astype(object)
features = Features({{"texts": texts, "numbers": np.full((3, 1), np.nan), "codes": np.full((3, 1), -1, np.int32)}})
answers = find_architecture("text", "mean_embedding").load(folder, problem).predict(features)
assert answers.shape == (3, 2), answers
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def problem_of(dataset: Dataset) -> Problem:
    return Problem(dataset.schema, "text", "log_loss")


def fitted(
    dataset: Dataset, family: str, entry: int, progress: Progress | None = None, texts: Array | None = None
) -> tuple[Learner, Examples]:
    """A learner of the first three quarters by a portfolio entry, and the rest."""
    features = find_task("text").features(dataset.schema, dataset.rows)
    if texts is not None:
        features = Features({**features.arrays, "texts": texts})
    cut = 3 * len(dataset) // 4
    parts = np.arange(cut), np.arange(cut, len(dataset))
    train, valid = (Examples(features.take(part), dataset.target[part]) for part in parts)
    architecture, problem = find_architecture("text", family), problem_of(dataset)
    parameters: Parameters = architecture.portfolio(problem)[entry]
    learner = architecture.build(FixedTrial(dict(parameters)), problem)
    learner.fit(train, valid, progress or Progress())
    return learner, valid
