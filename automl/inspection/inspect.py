"""The story of an inspection: target, task, kinds, rows, and all that is said about them.

`examine` is what a fit does too; `inspect_table` also takes a table from which nothing can be learned.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from automl.data.dataset import Dataset, Rows, conform, conform_target, present
from automl.data.inference import KINDS, Guess, choose_target, choose_task, infer_column, infer_schema
from automl.data.reading import Table
from automl.data.roles import Roles, SplitKind
from automl.data.schema import Column, Schema
from automl.errors import DataError, OptionError, nearest
from automl.inspection import images, privacy, quality, target
from automl.inspection.copies import rows_alike
from automl.inspection.findings import Finding, by_severity
from automl.inspection.gallery import open_galleries
from automl.inspection.leakage import find_leaks
from automl.inspection.personal import hide
from automl.inspection.profile import ColumnProfile, profile_target
from automl.inspection.structure import Decision, decide_structure
from automl.inspection.subject import Subject
from automl.inspection.view import View

PROBE_SECONDS = 60.0  # for the questions that train something


@dataclass(frozen=True)
class InspectRequest:
    """What a user asks of an inspection. Whatever is None is inferred and said.

    `kinds` fixes column kinds by name; `probe_seconds` is the time for checks that train something.
    """

    target: str | None = None
    task: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    roles: Roles = field(default_factory=Roles)
    split: SplitKind | None = None
    seed: int = 0
    probe_seconds: float = PROBE_SECONDS


@dataclass(frozen=True)
class Examination:
    """All that is said about a subject, most serious first, and how its rows must be split.

    `profiles` (the target's first) and `findings` show no personal data; `private` names the columns that hold some.
    """

    findings: tuple[Finding, ...]
    profiles: tuple[ColumnProfile, ...]
    private: frozenset[str]
    decision: Decision | None = None

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """What gives the target away through columns that are learned from, and that could be dropped."""
        return tuple(finding for finding in self.findings if finding.is_leak)


@dataclass(frozen=True)
class Inspection:
    """What is in a source. `schema` is None where nothing can be learned from it; `columns` are there always."""

    name: str
    rows: int
    columns: tuple[Column, ...]
    schema: Schema | None
    examination: Examination
    roles: Roles = field(default_factory=Roles)

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.examination.findings

    @property
    def profiles(self) -> tuple[ColumnProfile, ...]:
        return self.examination.profiles

    @property
    def decision(self) -> Decision | None:
        return self.examination.decision

    def record(self) -> dict[str, Any]:
        """The inspection as plain JSON; its keys are stable."""
        schema = self.schema
        return {
            "source": self.name,
            "rows": self.rows,
            "target": schema.target if schema else None,
            "task": schema.task if schema else None,
            "classes": [hide(name) for name in schema.classes] if schema else [],
            "split": self.decision.structure.kind if self.decision else None,
            "columns": [profile.record() for profile in self.profiles],
            "private": sorted(self.examination.private),
            "findings": [finding.record() for finding in self.findings],
        }


def examine(subject: Subject, split: SplitKind | None = None) -> Examination:
    """Quality, privacy, validation structure and leakage of rows that can be learned from."""
    view = View.of(subject.table, subject.schema.columns, subject.dataset.rows)
    decision = decide_structure(subject, split)
    alike = rows_alike(subject.schema, subject.dataset.rows, subject.galleries)
    structure = replace(decision.structure, copies=alike)
    decision = replace(decision, structure=structure)
    found = [
        *find_leaks(subject, structure),
        *decision.findings,
        *quality.find(subject, view, alike),
        *privacy.find(subject),
    ]
    profiles = [
        replace(profile, kind="ignored", reason=decision.ignored[profile.name])
        if profile.name in decision.ignored
        else profile
        for profile in view.profiles
    ]
    return _examination(found, [profile_target(subject.dataset), *profiles], decision)


def inspect_table(table: Table, request: InspectRequest) -> Inspection:
    """What is in a table. A target that cannot be learned is a finding, not an error.

    Raises OptionError or TargetError for an option that names no column, or no kind.
    """
    _check_names(table, request)
    try:
        goal, guess = choose_target(table, request.target)
        task, task_guess = choose_task(table.frame[goal], request.task, goal in table.commas)
        ignored = request.roles.ignored(goal, table)
        schema = infer_schema(table, goal, task, request.kinds, ignored)
        values = conform_target(table.frame[goal], schema)
    except DataError as error:
        return _without_target(table, request, error)
    kept = np.flatnonzero(present(values))
    frame = table.frame if len(kept) == len(values) else table.frame.iloc[kept].reset_index(drop=True)
    with_target = replace(table, frame=frame, files=tuple(table.files[row] for row in kept) if table.files else ())
    rows = conform(frame, schema, table.base)
    deadline = time.time() + request.probe_seconds
    galleries = open_galleries(schema.columns, rows, with_target.files)
    dataset = Dataset(schema, rows, values[kept])
    subject = Subject(with_target, dataset, request.roles, request.seed, deadline, galleries)
    examination = examine(subject, request.split)
    said = [_as_finding(guess, goal) for guess in (guess, task_guess) if guess]
    said += target.without_target(goal, len(values), len(kept))
    examination = replace(examination, findings=tuple(by_severity([*said, *examination.findings])))
    decision = examination.decision
    schema = schema.ignoring(decision.ignored) if decision else schema
    return Inspection(table.name, len(table.frame), schema.columns, schema, examination, request.roles)


def _without_target(table: Table, request: InspectRequest, error: DataError) -> Inspection:
    """What can be said of a table from which nothing can be learned."""
    kinds = {**table.kinds, **request.kinds}
    columns = tuple(
        infer_column(name, table.frame[name], kinds.get(name), table.base, name in table.commas)
        for name in map(str, table.frame.columns)
    )
    rows = _conform_columns(table, columns)
    view = View.of(table, columns, rows)
    found = [
        target.unusable(error),
        *quality.find_in(view),
        *images.find(open_galleries(columns, rows, table.files)),
        *privacy.find_in(table, columns),
    ]
    return Inspection(
        table.name, len(table.frame), columns, None, _examination(found, view.profiles, None), request.roles
    )


def _conform_columns(table: Table, columns: tuple[Column, ...]) -> Rows:
    schema = Schema(columns, target="", task="classify")
    return conform(table.frame, schema, table.base) if schema.used else Rows({})


def _examination(found: Sequence[Finding], profiles: Sequence[ColumnProfile], decision: Decision | None) -> Examination:
    private = privacy.private_columns(found)
    return Examination(
        tuple(by_severity(privacy.without_personal(finding, private) for finding in found)),
        tuple(privacy.masked(profile, private) for profile in profiles),
        private,
        decision,
    )


def _check_names(table: Table, request: InspectRequest) -> None:
    """Refuse what names no column or no kind, also where no schema is inferred that would notice."""
    if request.target is not None:
        choose_target(table, request.target)
    names = [str(name) for name in table.frame.columns]
    for name, kind in request.kinds.items():
        if name not in names:
            raise OptionError(f"There is no column {name!r} to give a type.", nearest(name, names))
        if kind not in KINDS:
            raise OptionError(f"There is no column type {kind!r}.", f"Use one of {', '.join(KINDS)}.")


def _as_finding(guess: Guess, goal: str) -> Finding:
    return Finding(
        "target.guess", "note", f"{guess.what[:1].upper()}{guess.what[1:]}.", (goal,), overrule=guess.overrule
    )
