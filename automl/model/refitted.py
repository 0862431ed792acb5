"""The ensemble with each member taught once more on all rows; gain and cost are measured on the holdout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from automl.data.dataset import Dataset
from automl.data.splits import Split
from automl.hooks import find_architecture
from automl.metrics import Metric
from automl.model.assembly import Assembly
from automl.model.calibration import tempered
from automl.model.honest import scores_of
from automl.model.model import Member, Model, combine
from automl.model.threshold import weighed
from automl.search.balance import load_learner
from automl.search.refit import Refit

LEFT_OUT = "the model was not taught on all rows: there was no time left for it; the learners of the search answer"


def taught_on_all_rows(
    assembly: Assembly, refits: Mapping[int, Refit], dataset: Dataset, split: Split, metric: Metric
) -> Assembly:
    """The same ensemble, of one learner a member. Without refits it stays as it is, and a note says so.

    With some of them it does where folds are drawn at random; in order of time members that know the newest rows stand
    beside those that do not.
    """
    model = assembly.model
    weights = next(choice.weights for choice in assembly.choices if choice.name == model.card.choice)
    chosen = [refits[number] for number in weights if number in refits]
    if not chosen or (len(chosen) < len(weights) and not split.forward):
        return _noted(assembly, model, LEFT_OUT)
    members = tuple(
        _member(model, refits[number], weight) if number in refits else member
        for (number, weight), member in zip(weights.items(), model.members, strict=True)
    )
    outputs, scores = assembly.outputs.copy(), dict(model.card.scores)
    cost = f"{sum(each.row_ms for each in chosen):.2g} ms a row for the learners, taught in {_seconds(chosen):.1f} s"
    note = f"one learner a member, taught on all rows: {cost}"
    if len(chosen) < len(weights):
        note = f"{len(chosen)} of {len(weights)} members taught on all rows, for want of time: {cost}"
    if len(split.holdout) and not split.forward:
        held = combine(list(weights.values()), [each.held_out for each in chosen])
        outputs[split.holdout] = tempered(held, model.temperature)
        found = scores_of(weighed(outputs, model.decision), dataset, split, metric)
        told = {name: score for name, score in found.items() if name.startswith("holdout")}
        if "holdout" in told and "holdout" in scores:  # a holdout of one class has no ROC AUC
            gained = f"{scores['holdout']:.4g} with the folds' learners, {told['holdout']:.4g} with it"
            note += f"; {metric.name} on the holdout {gained}"
        scores |= told
    elif len(split.holdout):
        note += "; the holdout's score is that of the learners before it"
    refitted = replace(model, members=members, card=replace(model.card, scores=scores))
    return replace(_noted(assembly, refitted, note), outputs=outputs)


def _member(model: Model, refit: Refit, weight: float) -> Member:
    result = refit.result
    learner = load_learner(find_architecture(model.problem.modality, result.architecture), refit.folder, model.problem)
    return Member(weight, result.architecture, result.parameters, (learner,))


def _seconds(refits: list[Refit]) -> float:
    return sum(each.seconds for each in refits)


def _noted(assembly: Assembly, model: Model, note: str) -> Assembly:
    notes = (*assembly.notes, note)
    return replace(assembly, notes=notes, model=replace(model, card=replace(model.card, notes=notes)))
