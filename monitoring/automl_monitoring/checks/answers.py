"""Drift of the model's own answers."""

from __future__ import annotations

from automl_monitoring.checks.columns import beyond_chance
from automl_monitoring.checks.subject import Subject
from automl_monitoring.findings import Finding, Measure, Outcome
from automl_monitoring.two_sample import shifts_between
from automl_monitoring.window import answer_columns

NAME = "answers"


def examine(subject: Subject) -> Outcome:
    """Whether the predicted classes, probabilities or values moved, and how far."""
    schema, policy = subject.model.schema, subject.policy
    shifts = shifts_between(answer_columns(schema, subject.reference), answer_columns(schema, subject.window))
    findings = tuple(
        Finding(
            NAME,
            "act" if shift.effect >= policy.act_prediction else "watch",
            f"The {shift.column} moved ({shift.words}; distance {shift.distance:.2f}).",
            len(subject.window),
            (shift.column,),
            shift.distance,
            shift.p_value,
        )
        for shift in beyond_chance(shifts, subject.level(NAME), policy.effect_floor)
    )
    return Outcome(findings, tuple(Measure("drift", shift.distance, shift.column) for shift in shifts))
