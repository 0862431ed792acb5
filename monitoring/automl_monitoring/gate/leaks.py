"""Does one column suddenly know the answer? A challenger that learned from it would be flattered by its judges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.data.dataset import Array, Dataset, Rows, conform
from automl.data.reading import Table
from automl.data.splits import Structure
from automl.inspection.screening import Sample
from automl.inspection.subject import Subject
from automl.model.model import Model
from automl.model.reference import Reference
from automl_monitoring.gate.contest import Contest
from automl_monitoring.gate.part import Part
from automl_monitoring.policy import GatePolicy

if TYPE_CHECKING:
    import pandas as pd

SUSPECT = 0.8  # skill of one column alone (see automl.inspection.skill), of 1 for an answer
SUDDEN = 0.4  # more than it had on the champion's reference


def leaks(contest: Contest, policy: GatePolicy) -> Part:
    """No column tells nearly all of the target alone on the judge rows that told far less on the reference."""
    model = contest.challenger
    now = _alone(model, contest.frame, conform(contest.frame, model.schema), contest.target)
    suspects = {name: skill for name, skill in now.items() if skill >= SUSPECT}
    if suspects:
        folder = contest.champion.folder
        before: dict[str, float] = {}
        if folder is not None:
            reference = Reference.load(folder)
            rows = conform(reference.frame, contest.champion.schema)
            if reference.real:  # drawn columns have nothing to do with their targets
                before = _alone(contest.champion, reference.frame, rows, reference.target)
        suspects = {name: skill for name, skill in suspects.items() if skill - before.get(name, 0.0) > SUDDEN}
    if not suspects:
        return Part("leaks", True, "no column knows the answer by itself", {"most": max(now.values(), default=0.0)})
    name, skill = max(suspects.items(), key=lambda each: each[1])
    was = before.get(name)
    said = "" if was is None else f", and {max(was, 0.0):.0%} when the champion was fitted"
    what = f"{name} alone tells {skill:.0%} of {model.schema.target} in the newest rows{said}: it may hold the answer"
    return Part("leaks", False, what, {"column": name, "skill": skill, "before": was})


def _alone(model: Model, frame: pd.DataFrame, rows: Rows, target: Array) -> dict[str, float]:
    """What each column tells of the target alone."""
    subject = Subject(Table(frame), Dataset(model.schema, rows, target))
    sample = Sample.of(subject, Structure())
    if not sample.goal.constant_error():
        return {}
    plain = [column for column in model.schema.used if column.kind not in ("text", "image")]
    return {column.name: sample.tells(sample.values(column)) for column in plain}
