"""The ensemble with each member taught once more, on more rows than a fold has; what came of it is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from automl.data.dataset import Array
from automl.hooks import find_architecture
from automl.model.assembly import Assembly
from automl.model.calibration import tempered
from automl.model.choices import Choice, Limits, beside, thinned
from automl.model.evidence import Evidence
from automl.model.honest import odd_holdout, scores_of
from automl.model.importance import ENOUGH_HELD
from automl.model.model import Member, Model, combine
from automl.model.threshold import weighed
from automl.search.balance import load_learner
from automl.search.ensemble import Cost
from automl.search.refit import Refit

LEFT_OUT = "the members were not taught once more: {why}; the learners of their folds answer"
NO_TIME = "there was no time or memory for it"
TOO_MUCH = "they would be slower or larger than allowed"
JUDGES = 3  # folds whose learners tell what a column is worth where no rows are held out
SHARE = 0.5  # of a member's weight that stays with the learners of its folds, where they answer beside the new one


@dataclass(frozen=True)
class _Answering:
    """A member as it will answer for a trial, what it costs, and what learners that do not know the holdout answer to
    it. `of_folds`: how many of its learners are those of folds."""

    number: int
    member: Member
    cost: Cost
    held_out: Array
    of_folds: int = 0


def with_taught(assembly: Assembly, refits: Mapping[int, Refit], evidence: Evidence, limits: Limits) -> Assembly:
    """The same ensemble; members that are among the `refits` answer with these, which must keep to the limits together.

    The learners of their folds answer beside them in the best model, and in place of those that are not there, as many
    of them as the limits allow.
    """
    choice = next(each for each in assembly.choices if each.name == assembly.model.card.choice)
    taught = {number: refits[number] for number in choice.weights if number in refits}
    parts, why = _parts(choice, taught, evidence, limits), NO_TIME
    if taught and not _cost(parts).within(limits.learners):
        taught = {}
        parts, why = _parts(choice, taught, evidence, limits), TOO_MUCH
    model, held = assembly.model, evidence.split.holdout
    outputs, scores, told = assembly.outputs, model.card.scores, ""
    if len(held) and evidence.split.forward:
        told = "; the holdout's score is that of the learners before it"
    elif len(held):
        outputs = outputs.copy()
        mixed = combine([part.member.weight for part in parts], [part.held_out for part in parts])
        outputs[held] = tempered(mixed, model.temperature)
        scores, told = _scored_anew(model, outputs, evidence)
    note = (
        _note(taught, choice, len(held), len(parts) > len(choice.weights)) + told
        if taught
        else LEFT_OUT.format(why=why)
    )
    choices = tuple(_at_cost(each, parts, evidence) if each is choice else each for each in assembly.choices)
    odd = (odd_holdout(each, evidence.metric, evidence.split.forward) for each in (model.card.scores, scores))
    notes = _replaced(model.card.notes, *odd)
    card = replace(model.card, scores=scores, notes=(*notes, note), choices=tuple(each.record() for each in choices))
    unseen = len(held) >= ENOUGH_HELD and all(each.rows == "known" for each in taught.values())
    judges = [evidence.member(number, weight, JUDGES) for number, weight in choice.weights.items() if not unseen]
    return replace(
        assembly,
        model=replace(model, members=tuple(part.member for part in parts), card=card),
        outputs=outputs,
        notes=card.notes,
        choices=choices,
        by_folds=replace(model, members=tuple(judges)) if judges else None,
    )


def _parts(choice: Choice, taught: Mapping[int, Refit], evidence: Evidence, limits: Limits) -> list[_Answering]:
    """What answers for each member: its new learner, those of its folds, or both."""
    spent, taken = evidence.cost(choice.weights), sum((each.cost for each in taught.values()), Cost())
    parts = list[_Answering]()
    for number, weight in choice.weights.items():
        there = len(evidence.homes(number))
        many = (beside if number in taught else thinned)(choice.name, spent, there, limits, taken)
        share = 1.0 if number not in taught else SHARE if many else 0.0
        if number in taught:
            parts.append(_taught(evidence, taught[number], (1 - share) * weight))
        if many:
            parts.append(_by_folds(evidence, number, share * weight, many))
    return parts


def _replaced(notes: Sequence[str], old: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    """The notes with the new ones in place of the old."""
    return (*(note for note in notes if note not in old), *new)


def _scored_anew(model: Model, outputs: Array, evidence: Evidence) -> tuple[dict[str, float], str]:
    """The model's scores with those of the holdout told from these outputs, and what that gained or cost."""
    scores, metric = dict(model.card.scores), evidence.metric
    found = scores_of(weighed(outputs, model.decision), evidence.dataset, evidence.split, metric)
    anew = {name: score for name, score in found.items() if name.startswith("holdout")}
    told = ""
    if "holdout" in anew and "holdout" in scores:  # a holdout of one class has no ROC AUC
        told = f"; {metric.name} on the holdout {anew['holdout']:.4g} ({scores['holdout']:.4g} by the folds' learners)"
    return scores | anew, told


def _cost(parts: Sequence[_Answering]) -> Cost:
    return sum((part.cost for part in parts), Cost())


def _at_cost(choice: Choice, parts: Sequence[_Answering], evidence: Evidence) -> Choice:
    """The choice with what its learners were found to cost, and how many of the folds' answer where not all do."""
    answering = {part.number: part.of_folds for part in sorted(parts, key=lambda part: part.of_folds)}
    fewer = {number: many for number, many in answering.items() if many < len(evidence.homes(number))}
    cost = _cost(parts)
    return replace(choice, row_ms=cost.row_ms, bytes=round(cost.bytes), learners=fewer)


def _taught(evidence: Evidence, refit: Refit, weight: float) -> _Answering:
    result, problem = refit.result, evidence.problem
    learner = load_learner(find_architecture(problem.modality, result.architecture), refit.folder, problem)
    member = Member(weight, result.architecture, result.parameters, (learner,))
    return _Answering(result.number, member, refit.cost, refit.held_out)


def _by_folds(evidence: Evidence, number: int, weight: float, many: int) -> _Answering:
    member, there = evidence.member(number, weight, many), len(evidence.homes(number))
    if many == there or not len(evidence.split.holdout):
        answers = evidence.outputs(number, "holdout")
    else:
        answers = np.mean([learner.predict(evidence.held_features) for learner in member.learners], axis=0)
    return _Answering(number, member, evidence.cost([number]).times(many / there), answers, many)


def _note(taught: Mapping[int, Refit], choice: Choice, held: int, beside_them: bool) -> str:
    """Who was taught once more, on which rows, and what it took."""
    but = " but the holdout" if held and any(each.rows == "known" for each in taught.values()) else ""
    members = len(choice.weights)
    who = f"{len(taught)} of {members}, for want of time or memory," if len(taught) < members else f"all {members},"
    seconds = sum(each.seconds for each in taught.values())
    they = ", beside the learners of their folds" if beside_them else ""
    return f"members taught once more on all rows{but}: {who} in {seconds:.1f} s{they}"
