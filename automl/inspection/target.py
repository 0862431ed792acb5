"""What is odd about the target: rows without it, classes that are rare or spelt twice, a cap, a long tail."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from automl.data.cells import as_number
from automl.data.dataset import Array
from automl.data.splits import fold_count
from automl.errors import AutoMLError
from automl.inspection.findings import Finding, counted, figure, listed, percent
from automl.inspection.levels import spelling_variants
from automl.inspection.personal import hide
from automl.inspection.subject import Subject

FEW_IN_CLASS = 20
LOPSIDED = 0.9  # of the rows are of one class
MANY_NUMBER_CLASSES = 50
SKEWED = 2.0
CAPPED_ROWS = 0.005
CAPPED_TIMES = 10  # as often as the values next to it
MANY_DIFFERENT = 50


def without_target(name: str, rows: int, kept: int) -> list[Finding]:
    """Rows of the source whose target is empty. Counted before a subject is made, which has none of them."""
    if kept == rows:
        return []
    gone = rows - kept
    return [
        Finding(
            "target.missing",
            "warning" if gone >= rows / 20 else "note",
            f"{counted(gone, 'row')} of {rows:,} ({percent(gone / rows)}) have no {name!r}.",
            (name,),
            gone,
            "left out of training and validation",
        )
    ]


def unusable(error: AutoMLError) -> Finding:
    """Why a table cannot be learned from, as a finding."""
    what = hide(error.problem)  # it may quote a cell
    return Finding("target.unusable", "problem", what, action="automl fit stops here", overrule=error.remedy)


def find(subject: Subject) -> list[Finding]:
    """Oddities of the target of rows that have one."""
    if subject.schema.task == "classify":
        return [*_class_variants(subject), *_number_classes(subject), *_rare(subject), *_lopsided(subject)]
    return [*_capped(subject), *_skewed(subject)]


def _class_variants(subject: Subject) -> Iterator[Finding]:
    groups = spelling_variants(subject.schema.classes)
    if groups:
        yield Finding(
            "target.variants",
            "problem",
            f"The target {subject.schema.target!r} spells {counted(len(groups), 'class')} in several ways.",
            (subject.schema.target,),
            action="each spelling is learned as a class of its own",
            overrule="make the spelling one in the data",
            examples=tuple(" / ".join(repr(name) for name in group) for group in groups[:3]),
        )


def _number_classes(subject: Subject) -> Iterator[Finding]:
    classes = subject.schema.classes
    if len(classes) >= MANY_NUMBER_CLASSES and not any(np.isnan(as_number(name)) for name in classes):
        yield Finding(
            "target.task",
            "warning",
            f"The target {subject.schema.target!r} has {len(classes):,} classes, all of them numbers: it may be a "
            "quantity.",
            (subject.schema.target,),
            action="learned as classes without an order",
            overrule="--task regress",
        )


def _rare(subject: Subject) -> Iterator[Finding]:
    counts = np.bincount(subject.dataset.target, minlength=len(subject.schema.classes))
    folds = fold_count(len(subject))
    for severity, below, why in (
        ("warning", folds, f"fewer rows than there are folds ({folds})"),
        ("note", FEW_IN_CLASS, f"fewer than {FEW_IN_CLASS} rows"),
    ):
        least = 0 if severity == "warning" else folds
        rare = [code for code in np.argsort(counts, kind="stable") if least <= counts[code] < below]
        if rare:
            said = [f"{subject.schema.classes[code]} ({counts[code]:,})" for code in rare]
            yield Finding(
                "target.rare_class",
                "warning" if severity == "warning" else "note",
                f"{counted(len(rare), 'class')} with {why}: {listed(said)}.",
                (subject.schema.target,),
                int(counts[rare].sum()),
                "kept, and spread over the folds as far as they go; they will hardly be predicted",
                "join them with another class in the data, or bring more rows",
            )


def _lopsided(subject: Subject) -> Iterator[Finding]:
    counts = np.bincount(subject.dataset.target, minlength=len(subject.schema.classes))
    share = counts.max() / max(counts.sum(), 1)
    if share >= LOPSIDED:
        name = subject.schema.classes[int(counts.argmax())]
        metrics = "average_precision, f1 or balanced_accuracy" if len(counts) == 2 else "balanced_accuracy or log_loss"
        yield Finding(
            "target.imbalance",
            "warning",
            f"{percent(float(share))} of the rows are of class {name!r}: that is the accuracy of a model which always "
            "answers so.",
            (subject.schema.target,),
            int(counts.sum() - counts.max()),
            "folds keep the shares of the classes",
            f"--metric {metrics}",
        )


def _capped(subject: Subject) -> Iterator[Finding]:
    """Many rows at the very least or greatest value, as when values beyond it were cut off."""
    values, counts = np.unique(subject.dataset.target, return_counts=True)
    if len(values) < MANY_DIFFERENT:
        return
    for end, which, beyond in ((0, "least", "below"), (-1, "greatest", "above")):
        beside = np.median(counts[1:6] if end == 0 else counts[-6:-1])
        if counts[end] >= max(CAPPED_ROWS * len(subject), CAPPED_TIMES * beside, FEW_IN_CLASS):
            yield Finding(
                "target.capped",
                "warning",
                f"{counted(int(counts[end]), 'row')} ({percent(counts[end] / len(subject))}) have the {which} value of "
                f"{subject.schema.target!r}, {figure(float(values[end]))}, which its neighbours do not share: "
                "it may be a limit of what was recorded.",
                (subject.schema.target,),
                int(counts[end]),
                f"learned as it is: the model will hardly answer anything {beyond} it",
                "leave those rows out of the data, if the true values matter",
            )


def _skewed(subject: Subject) -> Iterator[Finding]:
    goal = subject.dataset.target
    skewness = _skewness(goal)
    if skewness < SKEWED:
        return
    metric = "rmsle or mae" if goal.min() >= 0 else "mae"
    yield Finding(
        "target.skewed",
        "note",
        f"The target {subject.schema.target!r} has a long tail: half of it lies below "
        f"{figure(float(np.median(goal)))}, the greatest is {figure(float(goal.max()))}; a few large "
        "errors would decide the rmse.",
        (subject.schema.target,),
        action="learned as it is",
        overrule=f"--metric {metric}",
    )


def _skewness(values: Array) -> float:
    """The third standardised moment (Fisher and Pearson)."""
    values = values / max(float(np.abs(values).max()), 1.0)  # sums of numbers near the largest there are overflow
    spread = values.std()
    return float(np.mean(((values - values.mean()) / spread) ** 3)) if spread > 0 else 0.0
