"""The classic families of the text plugin: n-grams, traits of texts, machines, naive Bayes, boosted trees."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from optuna.trial import FixedTrial

from automl.data.dataset import Array, Dataset, object_array
from automl.data.reading import Table
from automl.hooks import find_architecture, find_task
from automl.task import Architecture, Examples, Parameters, Problem, Progress
from automl.testing import check_architecture, check_task, make_dataset
from automl_text.grams import MOST_CHARACTERS, Span, Unit, entries
from automl_text.traits import Traits, measure, relate

ODD = [
    "",
    " ",
    "\n",
    "!?",
    "a",
    "Don't  stop",
    "née Łódź",
    "日本語のテキスト",
    "👍👍 ok",
    "ß İ ǅ",
    "\ud800 lone",
    "x" * 60_000,
]
HINGE: Parameters = {"words": 2, "apart": True, "characters": 0, "traits": 0.0, "loss": "hinge", "strength": 0.4}
PLACES = ["river", "market", "harbour", "castle", "museum", "station", "garden", "bridge", "theatre", "library"]
VERBS = ["closed", "opened", "moved", "burned", "grew"]


def intents(rows: int = 900, seed: int = 0) -> pd.DataFrame:
    """Each of 15 classes is a place and a group of verbs; the text is one sentence."""
    rng = np.random.default_rng(seed)
    place, verb = rng.integers(0, 5, rows), rng.integers(0, 3, rows)
    texts = [
        f"The {PLACES[p]} near the {PLACES[rng.integers(5, 10)]} has {VERBS[v]} on day {rng.integers(9999)}."
        for p, v in zip(place, verb, strict=True)
    ]
    return pd.DataFrame({"text": texts, "label": [f"c{p}{v}" for p, v in zip(place, verb, strict=True)]})


def places(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """The same texts in 5 classes, by the first place alone."""
    frame = intents(rows, seed)
    return frame.assign(label=frame["label"].str[:2])


def essays(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    """The grade is how long the sentences and words are; the words themselves say nothing."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    length = rng.integers(3, 15, rows)
    texts = []
    for each in length:
        words = ["".join(rng.choice(letters, max(int(rng.normal(each / 2, 1)), 2))) for _ in range(60)]
        texts.append(". ".join(" ".join(words[at : at + each]) for at in range(0, 60, each)) + ".")
    return pd.DataFrame({"essay": texts, "grade": length + rng.normal(0, 0.5, rows)})


def questions(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Two questions and whether they ask the same: by what they share, not by any word."""
    rng = np.random.default_rng(seed)
    frame = []
    for _ in range(rows):
        words = [f"w{number}" for number in rng.integers(0, 300, 8)]
        same = rng.random() < 0.5
        other = list(rng.permutation(words)) if same else [f"w{number}" for number in rng.integers(0, 300, 8)]
        frame.append({"first": " ".join(words), "second": " ".join(other), "same": "yes" if same else "no"})
    return pd.DataFrame(frame)


def reviews(rows: int = 240, seed: int = 0) -> pd.DataFrame:
    """Texts with a number and a category beside, both with missing cells; all three tell the label a little."""
    rng = np.random.default_rng(seed)
    good = rng.integers(0, 2, rows)
    texts = [
        f"it was {'lovely' if rng.random() < 0.2 + 0.6 * each else 'awful'} in room {rng.integers(99)}" for each in good
    ]
    texts[0] = ""
    stars = [str(value) if value < 4 else "" for value in np.round(good + rng.normal(2, 0.7, rows), 2)]
    city = np.where(rng.random(rows) < 0.3, "", np.where(good, "Oslo", rng.choice(["Oslo", "Rome"], rows)))
    return pd.DataFrame({"review": texts, "stars": stars, "city": city, "label": np.where(good, "good", "bad")})


@pytest.mark.parametrize("unit", [unit for unit in get_args(Unit) if unit != "skip"])
def test_n_grams_are_those_of_a_plain_count(unit: Unit) -> None:
    texts = ["The cat, the CAT!", "it's the cat's hat", ""]
    tokens = [["the", "cat", ",", "the", "cat", "!"], ["it's", "the", "cat's", "hat"], []]
    counted = Counter[tuple[int, int]]()
    for each in entries(object_array(texts), Span(unit, 2, 3)):
        counted.update(
            dict(zip(zip(each.row.tolist(), each.gram.tolist(), strict=True), each.count.tolist(), strict=True))
        )
    expected = Counter[tuple[int, tuple[str, ...]]]()
    for row, text in enumerate(texts):
        units = tokens[row] if unit == "word" else list(f" {text.lower()} ")
        for length in (2, 3):
            for start in range(len(units) - length + 1):
                gram = tuple(units[start : start + length])
                if unit != "char_wb" or (" " not in gram[1:-1] and gram != (" ", " ")):
                    expected[row, gram] += 1
    del expected[2, (" ", " ")]
    counted = Counter({key: count for key, count in counted.items() if key[0] < 2})
    assert sorted(counted.values()) == sorted(expected.values())
    assert Counter(row for row, _ in counted) == Counter(row for row, _ in expected)


def test_pairs_that_are_apart() -> None:
    found = list(entries(object_array(["a b c a b", "a x b", "a"]), Span("skip", 1, 2)))
    shared = [set(each.gram[each.row == 0].tolist()) & set(each.gram[each.row == 1].tolist()) for each in found]
    assert [len(each) for each in shared] == [2, 1]  # a and b; a before b
    assert [each.count[each.row == 0].sum() for each in found] == [5, 4 + 3]
    assert [(each.row == 2).sum() for each in found] == [1, 0]


def test_n_grams_of_a_text_do_not_depend_on_the_others() -> None:
    texts = object_array([*ODD, "some more " * (MOST_CHARACTERS // 15), *ODD, "and more"])
    for span in (Span("word", 1, 2), Span("skip", 1, 3), Span("char", 2, 4), Span("char_wb", 2, 4)):
        together = list(entries(texts, span))
        for row in (3, 6, 11, 13 + 6, 25):
            alone = list(entries(texts[row : row + 1], span))
            for grams in ("gram", "count"):
                found = [getattr(each, grams)[each.row == row] for each in together]
                expected = [getattr(each, grams) for each in alone]
                np.testing.assert_array_equal(np.concatenate(found), np.concatenate(expected))


def test_what_is_measured_of_a_text() -> None:
    easy, hard = measure("The cat sat. It was fat."), measure("Notwithstanding considerable institutional opposition.")
    assert len(easy) == len(hard) == len(measure(""))
    assert easy[2:5] == [6, 2, 3]  # words, sentences, words a sentence
    assert easy[14] > 100 > 0 > hard[14]  # Flesch reading ease
    assert all(np.isfinite(measure(text)).all() for text in ODD)


def test_what_two_texts_share() -> None:
    one, other = object_array(["a b c", "a b c", "", "x"]), object_array(["c b a", "d e", "", ""])
    shared = relate(one, other)
    np.testing.assert_allclose(shared[:, 0], [1, 0, 0, 0])
    np.testing.assert_allclose(shared[1:3, 6], [np.log(6 / 4), 0])


def test_a_training_text_does_not_make_its_own_words_common() -> None:
    dataset = make_dataset(Table(essays()), target="grade")
    features = find_task("text").features(dataset.schema, dataset.rows)
    traits = Traits.learn(features, Progress())
    assert traits is not None
    own, new = traits.matrix(features, own=True), traits.matrix(features)
    assert (own != new).any()
    assert np.isfinite(own).all()


@pytest.mark.parametrize("name", ["nbsvm", "tfidf_boosted"])
def test_the_contract(name: str) -> None:
    dataset = make_dataset(Table(reviews()))
    check_task(find_task("text"), dataset)
    check_architecture(find_architecture("text", name), dataset)
    if name == "tfidf_boosted":
        check_architecture(find_architecture("text", name), make_dataset(Table(essays(200)), target="grade"))
    else:
        check_architecture(find_architecture("text", name), make_dataset(Table(places(300))))


@pytest.mark.parametrize(("name", "frame"), [("tfidf_linear", intents(900)), ("nbsvm", places(900))])
def test_several_classes_by_machines(name: str, frame: pd.DataFrame) -> None:
    valid, output = learn(make_dataset(Table(frame)), name, HINGE if name == "tfidf_linear" else None)
    assert (output.argmax(axis=1) == valid).mean() > 0.95
    assert 0.5 < output[np.arange(len(valid)), valid].mean() < 1  # neither timid nor certain


def test_families_that_leave_many_classes_to_others() -> None:
    problem = Problem(make_dataset(Table(intents())).schema, "text", "log_loss")
    accepting = [name for name in ("tfidf_linear", "nbsvm", "tfidf_boosted") if _family(name).accepts(problem)]
    assert accepting == ["tfidf_linear"]


@pytest.mark.parametrize(("name", "parameters"), [("tfidf_linear", HINGE), ("nbsvm", None), ("tfidf_boosted", None)])
def test_a_class_that_no_training_row_has(name: str, parameters: Parameters | None) -> None:
    dataset = make_dataset(Table(places()))
    order = np.argsort(dataset.target, kind="stable")
    valid, output = learn(Dataset(dataset.schema, dataset.rows.take(order), dataset.target[order]), name, parameters)
    assert (valid == 4).any()
    assert output[:, 4].max() < 0.5
    np.testing.assert_allclose(output.sum(axis=1), 1)


@pytest.mark.parametrize("name", ["tfidf_linear", "tfidf_boosted"])
@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_how_a_text_is_written_tells_its_grade(name: str, metric: str) -> None:
    dataset = make_dataset(Table(essays()), target="grade")
    valid, output = learn(dataset, name, None, metric)
    assert np.abs(output - valid).mean() < 0.4 * np.abs(valid - np.median(valid)).mean()


def test_a_pair_of_texts_is_compared() -> None:
    dataset = make_dataset(Table(questions()), target="same")
    assert [column.kind for column in dataset.schema.columns] == ["text", "text"]
    valid, output = learn(dataset, "tfidf_boosted")
    assert (output.argmax(axis=1) == valid).mean() > 0.95


def learn(
    dataset: Dataset, name: str, parameters: Parameters | None = None, metric: str = "log_loss"
) -> tuple[Array, Array]:
    """Fit on the first three quarters: the targets of the rest and the outputs for it."""
    metric = "rmse" if metric == "log_loss" and dataset.schema.task == "regress" else metric
    problem = Problem(dataset.schema, "text", metric)
    features = find_task("text").features(dataset.schema, dataset.rows)
    cut = 3 * len(dataset) // 4
    train, valid = (
        Examples(features.take(part), dataset.target[part]) for part in (np.arange(cut), np.arange(cut, len(dataset)))
    )
    family = _family(name)
    learner = family.build(FixedTrial(dict(parameters or family.portfolio(problem)[0])), problem)
    learner.fit(train, valid, Progress())
    return valid.target, learner.predict(valid.features)


def _family(name: str) -> Architecture:
    return find_architecture("text", name)
