"""From finished trials to a model: select members, score once on the untouched rows, rank what was tried."""

from __future__ import annotations

from dataclasses import dataclass, replace

from automl.data.dataset import Array
from automl.model.calibration import calibrate, tempered
from automl.model.choices import PREFERENCES, Choice, Chooser, Limits, Offer, offers, shortlist
from automl.model.evidence import Evidence
from automl.model.honest import nested_scores, odd_holdout, scores_of
from automl.model.leaderboard import LeaderboardRow, rank_trials, ties_with_best
from automl.model.model import Model
from automl.model.threshold import choose_decision, weighed

__all__ = ["Assembly", "LeaderboardRow", "assemble"]


@dataclass(frozen=True)
class Assembly:
    """The model with what the report needs. `outputs` are honest outputs for every row: out-of-fold where the row
    was validated, the whole ensemble's where it was held out, NaN where there is neither. `choices`: what could have
    been delivered; the card says which one was. `by_folds`: the model as learners of its folds make it, where too
    few rows are left to judge the model itself by."""

    model: Model
    leaderboard: list[LeaderboardRow]
    outputs: Array
    target: Array
    notes: tuple[str, ...]
    choices: tuple[Choice, ...] = ()
    by_folds: Model | None = None


def assemble(evidence: Evidence, error: str = "", limits: Limits | None = None) -> Assembly:
    """Combine the finished trials of a run; without any, the best constant (`error` says why there are none)."""
    limits = limits or Limits()
    run, dataset, split, metric = evidence.run, evidence.dataset, evidence.split, evidence.metric
    results = sorted(run.results(), key=lambda result: (result.loss, result.bytes, result.number))
    if not results:
        return _constant_only(evidence, f"only the best constant was delivered: {error or 'no trial finished in time'}")
    kept = [result for result in results if evidence.homes(result.number)]
    found, refused = offers(kept, 1 if split.forward else split.folds, limits, evidence.taught_again)
    offered, leading = shortlist(found), shortlist([Offer(result) for result in results])
    outputs = evidence.sampled(offer.result.number for offer in (*offered, *leading))
    pool = evidence.pool(outputs, offered)
    chooser = Chooser(pool, limits)
    choices = tuple(evidence.choice(name, chooser.choose(name), offered, limits) for name in PREFERENCES)
    chosen = next(choice for choice in choices if choice.name == limits.prefer)
    model, honest, scores = _judged(evidence, chosen)
    if not len(split.holdout):
        scores |= nested_scores(pool, limits, len(model.schema.classes))
    notes = (*((refused,) if refused else ()), *model.card.notes, *odd_holdout(scores, metric, split.forward))
    told = tuple(choice.record() for choice in choices)
    model = replace(model, card=replace(model.card, scores=scores, notes=notes, choice=chosen.name, choices=told))
    leaderboard = rank_trials(results, chosen.weights, ties_with_best(evidence.pool(outputs, leading)), metric)
    return Assembly(model, leaderboard, honest, dataset.target, notes, choices)


def _judged(evidence: Evidence, choice: Choice) -> tuple[Model, Array, dict[str, float]]:
    """The model of a choice, with temperature and decision chosen on its out-of-fold outputs; its honest outputs for
    every row, and their scores."""
    dataset, split, metric = evidence.dataset, evidence.split, evidence.metric
    model = Model(evidence.problem, evidence.members(choice), evidence.constant, evidence.card())
    honest = evidence.honest(choice)
    if len(split.holdout) and choice.learners and not evidence.taught_again:
        honest[split.holdout] = model.outputs(dataset.rows.take(split.holdout))
    validated, target = split.validated, dataset.target[split.validated]
    counts = evidence.row_weights(validated)
    calibration = calibrate(metric, target, honest[validated], counts)
    honest[split.holdout] = tempered(honest[split.holdout], calibration.temperature)
    honest[validated] = calibration.honest
    decision = choose_decision(metric, target, honest[validated], model.schema.classes, evidence.deadline, counts)
    decided = weighed(honest, decision.weights)
    decided[validated] = decision.honest
    notes = tuple(note for note in (calibration.note, decision.note) if note)
    model = replace(
        model,
        temperature=calibration.temperature,
        decision=decision.weights,
        card=replace(model.card, notes=notes),
    )
    return model, honest, scores_of(decided, dataset, split, metric)


def _constant_only(evidence: Evidence, note: str) -> Assembly:
    scores = scores_of(evidence.floor, evidence.dataset, evidence.split, evidence.metric)
    card = replace(evidence.card(), scores=scores, notes=(note,))
    model = Model(evidence.problem, (), evidence.constant, card)
    return Assembly(model, [], evidence.floor, evidence.dataset.target, (note,))
