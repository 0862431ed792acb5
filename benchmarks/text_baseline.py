"""TF-IDF with a linear model, tuned by cross-validation: what a careful person writes with scikit-learn in an hour."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

SCORINGS = {"f1": "f1", "roc_auc": "roc_auc", "accuracy": "accuracy", "rmse": "neg_root_mean_squared_error"}
FOLDS = 3
MANY_CLASSES = 12  # logistic regression would take most of the time
MOST_LEVELS = 50  # of a column beside the texts; one of more levels is left out
FIT_SHARE = 0.25  # of the time, for the last fit on all training rows


@dataclass(frozen=True)
class Answer:
    """Answers for the test rows; `outputs`: scores of the classes `labels`; what was chosen of how many tried."""

    answers: pd.Series
    outputs: np.ndarray
    labels: list[str]
    chosen: str
    tried: int


def answer(train: pd.DataFrame, test: pd.DataFrame, entry: dict[str, str], seconds: float) -> Answer:
    """Try words, characters and both with several penalties until the time is up; teach the best on all rows."""
    deadline = time.time() + seconds * (1 - FIT_SHARE)
    texts = entry["text_columns"].split(";")
    goal, labels = _goal(train[entry["target"]], entry["task"])
    scoring = SCORINGS[entry["metric"]]
    tried: list[tuple[float, str, Pipeline]] = []
    for name, model in _candidates(train.drop(columns=entry["target"]), texts, len(labels)):
        if tried and time.time() > deadline:
            break
        tried.append((float(cross_val_score(model, train, goal, cv=FOLDS, scoring=scoring).mean()), name, model))
    _, name, best = max(tried, key=lambda each: each[0])
    best.fit(train, goal)
    guesses = best.predict(test)
    if not labels:
        return Answer(pd.Series(guesses), np.zeros((0, 0)), [], name, len(tried))
    scores = best.decision_function(test)
    outputs = np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores
    return Answer(pd.Series([labels[guess] for guess in guesses]), outputs, labels, name, len(tried))


def _goal(target: pd.Series, task: str) -> tuple[np.ndarray, list[str]]:
    """Codes of the classes in the order of their names, and these; or numbers."""
    if task != "classify":
        return target.astype(float).to_numpy(), []
    labels = sorted(set(target))
    return target.map({label: code for code, label in enumerate(labels)}).to_numpy(), labels


def _candidates(rows: pd.DataFrame, texts: list[str], classes: int) -> list[tuple[str, Pipeline]]:
    """Cheap ones first."""
    strengths = (1.0, 10.0, 0.1) if classes else (2.0, 0.5, 5.0)
    beside = [name for name in rows.columns if name not in texts and rows[name].nunique() <= MOST_LEVELS]
    found = []
    for strength in strengths:
        for unit in ("words", "characters", "both"):
            parts: list[tuple[str, Any, Any]] = [(text, _vectorizer(unit), text) for text in texts]
            if beside:
                parts.append(("beside", OneHotEncoder(handle_unknown="ignore", min_frequency=5), beside))
            for head in _heads(strength, classes):
                model = make_pipeline(ColumnTransformer(parts), head)
                found.append((f"{unit}, {type(head).__name__}, {strength:g}", model))
    return found


def _vectorizer(unit: str) -> Any:
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True)
    both = FeatureUnion([("words", words), ("characters", characters)])
    return {"words": words, "characters": characters, "both": both}[unit]


def _heads(strength: float, classes: int) -> list[Any]:
    if not classes:
        return [Ridge(alpha=1 / strength)]
    machine = LinearSVC(C=strength)
    if classes > MANY_CLASSES:
        return [machine]
    return [LogisticRegression(C=10 * strength, solver="liblinear"), machine]
