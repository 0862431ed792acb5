"""The ensemble with each member taught once more, on more rows than a fold has; what came of it is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from automl.data.dataset import Array
from automl.hooks import find_architecture, find_task
from automl.model.assembly import Assembly
from automl.model.calibration import tempered
from automl.model.choices import Choice, Limits, beside, thinned
from automl.model.evidence import Evidence
from automl.model.honest import scores_of
from automl.model.model import Member, Model, combine
from automl.model.threshold import weighed
from automl.search.balance import load_learner
from automl.search.ensemble import Cost
from automl.search.refit import Refit

LEFT_OUT = "the members were not taught once more: {why}; the learners of the search answer"
NO_TIME = "there was no time left for it"
TOO_MUCH = "they would be slower or larger than allowed"
SHARE = 0.5  # of a member's weight that stays with the learners of its folds, where they answer beside the new one


@dataclass(frozen=True)
class _Answering:
    """A member as it will answer, what it costs, and what learners that do not know the holdout answer to it."""

    member: Member
    cost: Cost
    held_out: Array


def with_taught(assembly: Assembly, refits: Mapping[int, Refit], evidence: Evidence, limits: Limits) -> Assembly:
    """The same ensemble; members that are among the `refits` answer with these, which must keep to the limits together.

    The learners of their folds answer beside them in the best model, and in place of those that are not there, as many
    of them as the limits allow.
    """
    choice = next(each for each in assembly.choices if each.name == assembly.model.card.choice)
    taught = {number: refits[number] for number in choice.weights if number in refits}
    why = NO_TIME
    if taught and not _spent(taught).within(limits.learners):
        taught, why = {}, TOO_MUCH
    many = _of_folds(choice, taught, evidence, limits)
    parts = list[_Answering]()
    for number, weight in choice.weights.items():
        share = 1.0 if number not in taught else SHARE if many[number] else 0.0
        if number in taught:
            parts.append(_taught(evidence, taught[number], (1 - share) * weight))
        if many[number]:
            parts.append(_by_folds(evidence, number, share * weight, many[number]))
    model, held = assembly.model, evidence.split.holdout
    outputs, scores, told = assembly.outputs, model.card.scores, ""
    if len(held) and evidence.split.forward:
        told = "; the holdout's score is that of the learners before it"
    elif len(held):
        outputs = outputs.copy()
        mixed = combine([part.member.weight for part in parts], [part.held_out for part in parts])
        outputs[held] = tempered(mixed, model.temperature)
        scores, told = _scored_anew(model, outputs, evidence)
    note = LEFT_OUT.format(why=why)
    if taught:
        note = _note(taught, len(many), len(held), any(many[number] for number in taught)) + told
    choices = tuple(_at_cost(each, parts, many, evidence) if each is choice else each for each in assembly.choices)
    card = replace(
        model.card, scores=scores, notes=(*model.card.notes, note), choices=tuple(each.record() for each in choices)
    )
    unseen = len(held) > 0 and all(each.rows == "known" for each in taught.values())
    return replace(
        assembly,
        model=replace(model, members=tuple(part.member for part in parts), card=card),
        outputs=outputs,
        notes=(*assembly.notes, note),
        choices=choices,
        by_folds=None if unseen else model,
    )


def _scored_anew(model: Model, outputs: Array, evidence: Evidence) -> tuple[dict[str, float], str]:
    """The model's scores with those of the holdout told from these outputs, and what that gained or cost."""
    scores, metric = dict(model.card.scores), evidence.metric
    found = scores_of(weighed(outputs, model.decision), evidence.dataset, evidence.split, metric)
    anew = {name: score for name, score in found.items() if name.startswith("holdout")}
    told = ""
    if "holdout" in anew and "holdout" in scores:  # a holdout of one class has no ROC AUC
        told = f"; {metric.name} on the holdout {anew['holdout']:.4g} ({scores['holdout']:.4g} by the folds' learners)"
    return scores | anew, told


def _at_cost(choice: Choice, parts: Sequence[_Answering], many: Mapping[int, int], evidence: Evidence) -> Choice:
    cost = sum((part.cost for part in parts), Cost())
    fewer = {number: kept for number, kept in many.items() if kept < len(evidence.homes(number))}
    return replace(choice, row_ms=cost.row_ms, bytes=round(cost.bytes), learners=fewer)


def _spent(refits: Mapping[int, Refit]) -> Cost:
    return sum((Cost(each.row_ms, each.bytes) for each in refits.values()), Cost())


def _of_folds(choice: Choice, taught: Mapping[int, Refit], evidence: Evidence, limits: Limits) -> dict[int, int]:
    """How many learners of its folds answer for each member; none for some that were taught."""
    spent, taken = evidence.cost(choice.weights), _spent(taught)
    there = {number: len(evidence.homes(number)) for number in choice.weights}
    return {
        number: (beside if number in taught else thinned)(choice.name, spent, many, limits, taken)
        for number, many in there.items()
    }


def _taught(evidence: Evidence, refit: Refit, weight: float) -> _Answering:
    result, problem = refit.result, evidence.problem
    learner = load_learner(find_architecture(problem.modality, result.architecture), refit.folder, problem)
    member = Member(weight, result.architecture, result.parameters, (learner,))
    return _Answering(member, Cost(refit.row_ms, refit.bytes), refit.held_out)


def _by_folds(evidence: Evidence, number: int, weight: float, many: int) -> _Answering:
    member, held, there = evidence.member(number, weight, many), evidence.split.holdout, len(evidence.homes(number))
    cost = evidence.cost([number]).times(many / there)
    if many == there:
        return _Answering(member, cost, evidence.outputs(number, "holdout"))
    rows = evidence.dataset.rows.take(held)
    features = find_task(evidence.problem.modality).features(evidence.problem.schema, rows)
    answers = np.mean([learner.predict(features) for learner in member.learners], axis=0)
    return _Answering(member, cost, answers)


def _note(taught: Mapping[int, Refit], members: int, held: int, beside_them: bool) -> str:
    """Who was taught once more, on which rows, and what it took."""
    but = " but the holdout" if held and any(each.rows == "known" for each in taught.values()) else ""
    who = f"{len(taught)} of {members}, for want of time," if len(taught) < members else f"all {members},"
    seconds = sum(each.seconds for each in taught.values())
    they = ", beside the learners of their folds" if beside_them else ""
    return f"members taught once more on all rows{but}: {who} in {seconds:.1f} s{they}"
