"""Who sent the labels: what comes over HTTP may train a model, but must not steer it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Array, conform
from automl.model.model import Model
from automl.model.reference import Reference
from automl.store import LoggedPrediction
from automl.store.labels import HTTP
from automl_monitoring.retraining.plan import LeftOut
from automl_monitoring.window import conform_labels, feature_frame

CONFIDENT = 0.9  # probability from which an answer is one that labels seldom contradict
FAR = 0.99  # quantile of the reference's errors beyond which a number contradicts the answer
LEAST = 20  # confident answers of a source, and of all others, to compare them
BEYOND = 0.2  # that a source must contradict more often, or less often, than the others do
SIGNIFICANCE = 1e-4  # by chance, for all sources together
MOSTLY = 0.5  # of the labels from outside by one sender is worth saying


@dataclass(frozen=True)
class _Contradictions:
    """Of rows whose answer was confident, oldest first: who labelled them, whether from outside, and does the label say
    otherwise? (bool per row)"""

    senders: Array
    outside: Array
    contradicts: Array


def is_outside(entry: LoggedPrediction) -> bool:
    """Did this row's label come over HTTP?"""
    return entry.label_source.partition(":")[0] == HTTP


def trusted(
    entries: Sequence[LoggedPrediction], model: Model
) -> tuple[list[LoggedPrediction], list[LeftOut], tuple[str, ...]]:
    """The rows to learn from, what is left out of those labelled from outside, and what is worth saying."""
    if not any(is_outside(entry) for entry in entries):
        return list(entries), [], ()
    once = _without_repeats(entries, model)
    doubted, notes = _doubted(once, model)
    kept = [entry for entry in once if entry.label_source not in doubted]
    left_out = [LeftOut("the same cells were labelled over HTTP before", len(entries) - len(once))]
    left_out += [LeftOut(why, sum(entry.label_source == source for entry in once)) for source, why in doubted.items()]
    return kept, [each for each in left_out if each.rows], (*notes, *_one_sender(kept))


def capped(train: Sequence[LoggedPrediction], old_rows: int, most: float) -> tuple[tuple[LoggedPrediction, ...], int]:
    """The training rows with at most this share from outside, beside the old rows; how many were too many.

    The newest stay.
    """
    outside = [entry for entry in train if is_outside(entry)]
    room = len(outside) if most >= 1 else int(most / (1 - most) * (old_rows + len(train) - len(outside)))
    excess = max(len(outside) - room, 0)
    dropped = {entry.id for entry in outside[:excess]}
    return tuple(entry for entry in train if entry.id not in dropped), excess


def _without_repeats(entries: Sequence[LoggedPrediction], model: Model) -> list[LoggedPrediction]:
    """Of rows from outside with the same cells the first; all where rows are alike anyway (few columns, few levels)."""
    cells = [repr(sorted(entry.features.items(), key=lambda cell: cell[0])) for entry in entries]
    if model.folder is not None:
        frame = Reference.load(model.folder).frame
        if frame.duplicated().mean() > BEYOND:
            return list(entries)
    seen: set[str] = set()
    kept = []
    for entry, text in zip(entries, cells, strict=True):
        if not (is_outside(entry) and text in seen):
            kept.append(entry)
        seen.add(text)
    return kept


def _doubted(entries: Sequence[LoggedPrediction], model: Model) -> tuple[dict[str, str], tuple[str, ...]]:
    """source -> why it is not believed: its labels stand otherwise to the champion's sure answers than all others do.

    When everybody contradicts them, the world has changed and not a sender; alone, one cannot be told from the other.
    """
    found, base = _contradictions(entries, model)
    sources = sorted({entry.label_source for entry in entries if is_outside(entry)})
    doubted, notes = {}, []
    for source in sources:
        own = found.senders == source
        rate = float(found.contradicts[own].mean()) if own.any() else 0.0
        if own.sum() < LEAST:
            continue
        others, where = _others(found, own)
        if others is None:
            if rate > base + BEYOND:
                notes.append(
                    f"labels from {source} contradict {rate:.0%} of the champion's sure answers (on its reference "
                    f"{base:.0%}), and there is no other source to compare them with"
                )
            continue
        usual = float(found.contradicts[others].mean())
        if where == "before or after":  # then the world may have changed: only what is worse than ever is doubted
            usual = max(usual, base)
            apart = rate - usual
        else:
            apart = abs(rate - usual)
        if apart > BEYOND and _by_chance(found, own, others) < SIGNIFICANCE / len(sources):
            doubted[source] = (
                f"labels from {source} contradict {rate:.0%} of the champion's sure answers, others {where} {usual:.0%}"
            )
    return doubted, tuple(notes)


def _others(found: _Contradictions, own: Array) -> tuple[Array | None, str]:
    """The rows that a sender is compared with (bool per row), and when they were answered; None for too few.

    Of the same time if there are enough, those labelled from inside before all; a minority judges nobody.
    """
    positions = np.flatnonzero(own)
    within = np.zeros(len(own), dtype=bool)
    within[positions[0] : positions[-1] + 1] = True
    inside = ~own & ~found.outside
    for others, where in ((inside & within, "meanwhile"), (~own & within, "meanwhile"), (~own, "before or after")):
        fewest = LEAST if not (others & found.outside).any() else max(LEAST, int(own.sum()))
        if others.sum() >= fewest:
            return others, where
    return None, ""


def _by_chance(found: _Contradictions, own: Array, others: Array) -> float:
    """How probable so different rates are by chance (Fisher's exact test)."""
    from scipy.stats import fisher_exact

    table = [[int(found.contradicts[rows].sum()), int((~found.contradicts[rows]).sum())] for rows in (own, others)]
    return float(fisher_exact(table).pvalue)


def _contradictions(entries: Sequence[LoggedPrediction], model: Model) -> tuple[_Contradictions, float]:
    """What is contradicted in the log, and the share of that on the champion's reference."""
    schema = model.schema
    rows = conform(feature_frame(entries, [column.name for column in schema.used]), schema)
    outputs, target = model.outputs(rows), conform_labels(entries, schema)
    senders = np.array([entry.label_source for entry in entries], dtype=object)
    outside = np.array([is_outside(entry) for entry in entries], dtype=bool)
    reference = None if model.folder is None else Reference.load(model.folder)
    if schema.task == "regress":
        far = np.inf if reference is None else np.quantile(np.abs(reference.target - reference.outputs), FAR)
        return _Contradictions(senders, outside, np.abs(target - outputs) > far), 1 - FAR
    sure = outputs.max(axis=1) >= CONFIDENT
    wrong = outputs.argmax(axis=1) != target
    base = 0.0
    if reference is not None:
        known = reference.outputs.max(axis=1) >= CONFIDENT
        base = float((reference.outputs.argmax(axis=1) != reference.target)[known].mean()) if known.any() else 0.0
    return _Contradictions(senders[sure], outside[sure], wrong[sure]), base


def _one_sender(entries: Sequence[LoggedPrediction]) -> tuple[str, ...]:
    """A note where one sender gave most of the labels from outside, beside others."""
    sources = Counter(entry.label_source for entry in entries if is_outside(entry))
    total = sum(sources.values())
    if len(sources) < 2:
        return ()
    source, count = sources.most_common(1)[0]
    return (f"{source} sent {count / total:.0%} of the labels from outside",) if count > MOSTLY * total else ()
