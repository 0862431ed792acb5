"""Drift of the words in text columns: can a classifier tell the texts of the window from those of the reference?

A classifier two-sample test (Lopez-Paz and Oquab, Revisiting classifier two-sample tests, 2017): a linear classifier on
hashed words and pairs of words learns on one half of the rows and ranks the other half, and the other way round. Ranks
of rows that it has not seen follow the Mann-Whitney distribution where nothing moved. The mean of both halves' z is
taken, whose spread is at most 1 however they hang together; their sum over more folds was measured to be too wide by
half. Beside it stands the share of unseen words, for words too new to be learned from a few rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array
from automl_monitoring.checks.subject import Subject
from automl_monitoring.findings import Finding, Measure, Outcome

NAME = "wording"
MOST_ROWS = 2_000  # of either side
LONGEST = 2_000  # characters of a text that are looked at
HASHES = 2**15
LEAST_TEXTS = 20  # different ones on either side
TOLD = 0.55  # probability of telling a new text from an old one, below which nothing is said (a K-S distance of 0.1)
CLEARLY = 0.75  # and from which on the model has to do with other texts
LEAST_SHARED = 5  # rows that must hold a word for it to be named: fewer might tell of a person
NAMED = 3  # words in a finding


@dataclass(frozen=True)
class Told:
    """`area`: the probability that a text of the window is ranked above one of the reference. `unseen`: the mean share
    of a text's words that no other text of the reference holds, there and in the window. `p_value`: of either by
    chance. `new_words`: those that became most frequent."""

    area: float
    p_value: float
    unseen: tuple[float, float]
    new_words: tuple[str, ...]


def examine(subject: Subject) -> Outcome:
    """Which text columns speak of other things than they did, and how much of the model hangs on them."""
    columns = [column.name for column in subject.model.schema.of_kind("text")]
    if not columns or not subject.reference.real or not subject.window.features:
        return Outcome()
    told = {name: tell_apart(subject.reference.rows[name], subject.window.rows[name]) for name in columns}
    level = subject.level(NAME) / len(columns)
    findings, measures = [], []
    for name, found in told.items():
        measures.append(Measure("wording", found.area, name, reference=0.5))
        measures.append(Measure("unseen words", found.unseen[1], name, reference=found.unseen[0]))
        more = found.unseen[1] - found.unseen[0]
        if found.p_value > level or (found.area < TOLD and more < subject.policy.effect_floor):
            continue
        share = subject.usage({name})
        act = found.area >= CLEARLY and share >= subject.policy.act_usage
        what = f"{name} speaks of other things: {found.area:.0%} of the texts can be told from those before"
        what += f"; {found.unseen[1]:.0%} of the words are new to it ({found.unseen[0]:.0%} before)"
        if found.new_words and name not in subject.model.card.private:
            what += f"; more often: {', '.join(found.new_words)}"
        finding = Finding(
            NAME, "act" if act else "watch", f"{what}.", len(subject.window), (name,), found.area, found.p_value
        )
        findings.append(finding)
    return Outcome(tuple(findings), tuple(measures))


def tell_apart(reference: Array, window: Array, seed: int = 0) -> Told:
    """How well texts of the window can be told from those of the reference; str objects on either side."""
    from scipy.stats import norm
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier

    rng = np.random.default_rng(seed)
    old, new = (_sample(side, rng) for side in (reference, window))
    if min(len(old), len(new)) < LEAST_TEXTS:
        return Told(0.5, 1.0, (0.0, 0.0), ())
    unseen, newer, words = _unseen(old, new)
    texts, label = [*old, *new], np.repeat([0, 1], [len(old), len(new)])
    matrix = HashingVectorizer(n_features=HASHES, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b").transform(texts)
    half = np.empty(len(texts), dtype=np.int64)
    for side in (0, 1):
        half[label == side] = rng.permutation(int((label == side).sum())) % 2
    areas, apart = [], []
    for tested in (0, 1):
        judge = SGDClassifier(
            loss="log_loss", alpha=1e-4, class_weight="balanced", max_iter=20, tol=None, random_state=seed
        )
        judge.fit(matrix[half != tested], label[half != tested])
        scores, truth = judge.decision_function(matrix[half == tested]), label[half == tested]
        area, z = _ranked(scores[truth == 1], scores[truth == 0])
        areas.append(area)
        apart.append(z)
    p_value = min(2 * float(norm.sf(max(np.mean(apart), newer))), 1.0)
    return Told(float(np.mean(areas)), p_value, unseen, words)


def _sample(texts: Array, rng: np.random.Generator) -> list[str]:
    """Some texts, each once: those that are sent again and again would be learned in one half and met in the other."""
    kept = texts if len(texts) <= MOST_ROWS else texts[rng.choice(len(texts), MOST_ROWS, replace=False)]
    return list(dict.fromkeys(str(text)[:LONGEST] for text in kept))


def _ranked(new: Array, old: Array) -> tuple[float, float]:
    """The area under the curve, and how many standard deviations it lies above a half (Mann-Whitney, with ties)."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([new, old]))
    area = (ranks[: len(new)].sum() - len(new) * (len(new) + 1) / 2) / (len(new) * len(old))
    spread = np.sqrt(np.var(ranks) / ((len(ranks) - 1) * len(new) * len(old)))
    return float(area), float((area - 0.5) / spread) if spread > 0 else 0.0


def _unseen(old: list[str], new: list[str]) -> tuple[tuple[float, float], float, tuple[str, ...]]:
    """The share of unseen words on either side, by how many standard deviations new texts hold more of them, and the
    words that became most frequent.

    A word of the reference is seen if another text of it holds it too.
    """
    spoken = [[_words(text) for text in side] for side in (old, new)]
    counts: list[dict[str, int]] = [{}, {}]
    for side, count in zip(spoken, counts, strict=True):
        for words in side:
            for word in words:
                count[word] = count.get(word, 0) + 1
    once = {word for word, count in counts[0].items() if count == 1}
    before = [len(words & once) / len(words) for words in spoken[0] if words]
    now = [len(words - counts[0].keys()) / len(words) for words in spoken[1] if words]
    gains = {
        word: count / len(new) - counts[0].get(word, 0) / len(old)
        for word, count in counts[1].items()
        if count >= LEAST_SHARED
    }
    risen = sorted((word for word in gains if gains[word] > 0), key=lambda word: -gains[word])[:NAMED]
    newer = _ranked(np.array(now), np.array(before))[1] if before and now else 0.0
    return (float(np.mean(before or [0.0])), float(np.mean(now or [0.0]))), newer, tuple(risen)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))
