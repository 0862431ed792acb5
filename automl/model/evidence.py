"""What a search has left behind, as an ensemble is chosen and built from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from automl.data.dataset import Array, Dataset
from automl.data.splits import FEW_ROWS, Split
from automl.hooks import find_architecture
from automl.metrics import Metric
from automl.model.choices import Choice, Limits, Offer, Preference, beside, spare, thinned
from automl.model.honest import units_of
from automl.model.model import Card, Member
from automl.search.balance import load_learner
from automl.search.ensemble import Cost, Pool, choosing_rows
from automl.search.run import Run, read_examples, read_result
from automl.task import Features, Problem


@dataclass(frozen=True)
class Evidence:
    """A run, and what it was about. Outputs are read as they are needed: all together may be larger than memory.

    `taught_again`: each member of what is chosen is to answer with one learner that is yet to be taught.
    """

    run: Run
    problem: Problem
    dataset: Dataset
    split: Split
    metric: Metric
    deadline: float
    taught_again: bool = False

    @cached_property
    def constant(self) -> Array:
        rows = self.split.validated
        return self.metric.best_constant(self.dataset.target[rows], self.problem.outputs, self.row_weights(rows))

    @property
    def floor(self) -> Array:
        """The best constant as outputs for every row."""
        return np.broadcast_to(self.constant, (len(self.dataset), *self.constant.shape)).copy()

    def row_weights(self, rows: Array) -> Array | None:
        return None if self.dataset.weights is None else self.dataset.weights[rows]

    def homes(self, number: int) -> list[Path]:
        """The folders of a trial's learners, in the order of the folds; none if it was let go."""
        found = (self.run.trials_folder / f"{number:05d}" / "learners").glob("[0-9]*")
        return sorted(found, key=lambda home: int(home.name))

    def outputs(self, number: int, what: str, rows: Array | None = None) -> Array:
        """Outputs of a trial, out_of_fold or holdout; of these rows only if any are given."""
        path = self.run.trials_folder / f"{number:05d}" / f"{what}.npy"
        stored = np.load(path, allow_pickle=False, mmap_mode="r")
        return np.array(stored if rows is None else stored[rows])

    @cached_property
    def held_features(self) -> Features:
        """What learners are given of the holdout."""
        return read_examples(self.run.folder)[0].features.take(self.split.holdout)

    @cached_property
    def rows(self) -> Array:
        """Positions of the rows that members are chosen by."""
        validated = self.split.validated
        target, classes = self.dataset.target[validated], self.problem.schema.task == "classify"
        return np.asarray(validated[choosing_rows(target, self.problem.outputs, classes)])

    def sampled(self, numbers: Iterable[int]) -> dict[int, Array]:
        """The out-of-fold outputs of these trials for `rows`."""
        return {number: self.outputs(number, "out_of_fold", self.rows) for number in sorted(set(numbers))}

    def pool(self, outputs: Mapping[int, Array], offered: Sequence[Offer]) -> Pool:
        """The offers with their outputs for `rows`, in their order."""
        target, weights = self.dataset.target[self.rows], self.row_weights(self.rows)
        few = len(self.dataset) < FEW_ROWS
        learners = 1 if self.taught_again else len(self.homes(offered[0].result.number))
        return Pool(
            outputs={offer.result.number: outputs[offer.result.number] for offer in offered},
            target=target,
            metric=self.metric,
            costs={offer.result.number: offer.cost for offer in offered},
            floor=self.metric.loss(target, self.floor[self.rows], weights),
            deadline=self.deadline,
            units=units_of(self.split, self.rows),
            row_weights=weights,
            learners=learners,
            spare=spare(offered, learners),
            families={offer.result.number: offer.result.architecture for offer in offered} if few else {},
        )

    def choice(self, name: Preference, counts: Mapping[int, int], offered: Sequence[Offer], limits: Limits) -> Choice:
        """A choice by its counts; its score is that of all validated rows."""
        chosen = [offer for offer in offered if offer.result.number in counts]
        total, spent = sum(counts.values()), sum((offer.cost for offer in chosen), Cost())
        homes = {offer.result.number: len(self.homes(offer.result.number)) for offer in chosen}
        if self.taught_again:
            of_folds = self.cost(homes)
            kept = {number: beside(name, of_folds, many, limits, spent) for number, many in homes.items()}
            costs = [spent, *(self.cost([number]).times(kept[number] / many) for number, many in homes.items())]
        else:
            there = {offer.result.number: 1 if offer.single else homes[offer.result.number] for offer in chosen}
            kept = {number: thinned(name, spent, many, limits) for number, many in there.items()}
            costs = [offer.cost.times(kept[offer.result.number] / there[offer.result.number]) for offer in chosen]
        choice = Choice(
            name=name,
            weights={offer.result.number: counts[offer.result.number] / total for offer in chosen},
            score=float("nan"),
            row_ms=sum(cost.row_ms for cost in costs),
            bytes=round(sum(cost.bytes for cost in costs)),
            learners={number: many for number, many in kept.items() if many < homes[number]},
        )
        rows = self.split.validated
        outputs, weights = self._mixed(choice, "out_of_fold", rows), self.row_weights(rows)
        return replace(choice, score=self.metric.score(self.dataset.target[rows], outputs, weights))

    def honest(self, choice: Choice) -> Array:
        """Outputs of a choice for every row that was validated or held out, NaN for others."""
        outputs = np.full(self.floor.shape, np.nan)
        outputs[self.split.validated] = self._mixed(choice, "out_of_fold", self.split.validated)
        if len(self.split.holdout):
            outputs[self.split.holdout] = self._mixed(choice, "holdout")
        return outputs

    def members(self, choice: Choice) -> tuple[Member, ...]:
        """The members of a choice with their learners, loaded; without any as long as others are to come."""
        many = dict.fromkeys(choice.weights, 0) if self.taught_again else choice.learners
        return tuple(self.member(number, weight, many.get(number)) for number, weight in choice.weights.items())

    def member(self, number: int, weight: float, learners: int | None = None) -> Member:
        """A trial with the learners of so many of its folds, loaded; of all if None."""
        result = read_result(self.run.trials_folder / f"{number:05d}")
        family = find_architecture(self.problem.modality, result.architecture)
        loaded = tuple(load_learner(family, home, self.problem) for home in self.homes(number)[:learners])
        return Member(weight, result.architecture, result.parameters, loaded)

    def cost(self, numbers: Iterable[int]) -> Cost:
        """Of the learners that these trials have of all folds."""
        results = [read_result(self.run.trials_folder / f"{number:05d}") for number in numbers]
        return sum((Cost(result.row_ms, result.bytes) for result in results), Cost())

    def card(self) -> Card:
        """What is known before anything is scored."""
        return Card(
            name=self.run.question.name,
            metric=self.metric.name,
            scores={},
            rows=len(self.dataset),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            fingerprint=self.run.question.fingerprint,
            run=self.run.folder.name,
        )

    def _mixed(self, choice: Choice, what: str, rows: Array | None = None) -> Array:
        """The weighted mean of the members' outputs, one read at a time; probabilities are renormalised."""
        mixed = np.asarray(sum(weight * self.outputs(number, what, rows) for number, weight in choice.weights.items()))
        return mixed if mixed.ndim == 1 else mixed / mixed.sum(axis=1, keepdims=True)
