"""Is the champion stale? Its recipe, taught on the rows labelled since, is held against it before anything is searched.

A model grows stale long before a test of drift or a fall of its score proves it. Teaching its recipe anew takes
seconds where a retraining takes minutes, and asks the very question: is there something to gain from the new rows?
What is found here promotes nobody. The gate judges the challenger that it may lead to.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np

from automl.bootstrap import paired_gain, time_block
from automl.data.dataset import Array, Dataset, conform
from automl.hooks import find_task
from automl.metrics import find_metric
from automl.model.artifact import load_model
from automl.model.model import Model
from automl.model.threshold import weighed
from automl.search.replay import Replay
from automl.search.run import TrialStart
from automl.store import Decision, LoggedPrediction, Store
from automl.task import Examples, Learner, Progress
from automl_monitoring.gate import same_order
from automl_monitoring.policy import Policy
from automl_monitoring.retraining.plan import Plan
from automl_monitoring.retraining.planning import rows_of
from automl_monitoring.retraining.recency import VALIDATION_SHARE, Recency, Recipe, find_recipe, taught_with
from automl_monitoring.retraining.training import choose_mix, ground_of
from automl_monitoring.trigger import STALENESS
from automl_monitoring.window import conform_labels, feature_frame

SHARE = 0.3  # of the time of a retraining at most


@dataclass(frozen=True)
class Staleness:
    """The champion's score on the newest labelled rows, that of its recipe taught on those before them too, and the
    share of the resamples in which the recipe is better. None where there was a `problem`."""

    champion: int
    metric: str = ""
    rows: int = 0
    score: float | None = None
    taught: float | None = None
    chance: float | None = None
    problem: str = ""

    @property
    def why(self) -> str:
        """In words, for a person."""
        if self.score is None or self.taught is None or self.chance is None:
            return self.problem
        said = f"{self.metric} {self.score:.4f} → {self.taught:.4f} on the newest {self.rows:,} labelled rows"
        return f"its recipe, taught on the newer rows too, is better with probability {self.chance:.2f} ({said})"

    def decision(self, name: str, sure: float) -> Decision:
        """What follows if the recipe must be better with probability `sure`."""
        record = {"found": asdict(self), "sure": sure}
        return Decision(name, STALENESS, recompute(record), self.why, record)


def recompute(record: Mapping[str, Any]) -> str:
    """stale, fresh or unknown: what follows from the record of a decision. The learner behind it was not kept."""
    chance = record["found"]["chance"]
    if chance is None:
        return "unknown"
    return "stale" if chance >= record["sure"] else "fresh"


def ask_staleness(store: Store, plan: Plan, policy: Policy) -> Staleness:
    """Teach the champion's recipe on the rows of a plan and hold it against the champion on the plan's judges.

    Writes nothing.
    """
    began = time.time()
    champion = store.versions.find(plan.name, plan.champion)
    model, labelled = load_model(champion.folder), rows_of(store, plan, policy)
    ground = ground_of(store, champion, labelled)
    unknown = Staleness(
        plan.champion, problem="its recipe cannot be taught anew on these rows in the time and compared"
    )
    starts = ground.request.starts
    if not _can_be_taught(model, starts, len(ground.table.frame)):
        return unknown
    until = began + SHARE * plan.seconds
    choice, dataset, problem = choose_mix(ground, model, labelled, policy, began + SHARE / 2 * plan.seconds)
    recipe = find_recipe(problem, starts, len(dataset))
    if recipe is None:
        return unknown
    learner = _taught(recipe, dataset, len(labelled.train), choice.recency, until)
    theirs = None if learner is None else _answers(learner, dataset, model, labelled.judges)
    if theirs is None:
        return unknown
    target, metric = conform_labels(labelled.judges, model.schema), find_metric(model.problem.metric)
    frame = feature_frame(labelled.judges, [column.name for column in model.schema.used])
    ours = weighed(model.outputs(conform(frame, model.schema)), model.decision)
    theirs = weighed(theirs, model.decision)
    gains = paired_gain(metric, target, ours, theirs, seed=plan.seed, block=time_block(target, ours, theirs))
    scores = metric.score(target, ours), metric.score(target, theirs)
    if not len(gains) or not np.isfinite(scores).all():
        return unknown
    return Staleness(plan.champion, metric.name, len(target), *scores, float(np.mean(gains > 0)))


def _can_be_taught(model: Model, starts: Sequence[TrialStart], rows: int) -> bool:
    """Is there a member whose learners may be taught so many rows in this process?"""
    recipe = find_recipe(model.problem, starts, rows)
    return recipe is not None and recipe.family.name in {start.architecture for start in starts}


def _taught(recipe: Recipe, dataset: Dataset, new: int, way: Recency, until: float) -> Learner | None:
    """A learner of all rows, the last `new` of them new, in as many steps as serve the newest of them; None where they
    have one class only, or the time is too short."""
    for library in recipe.family.libraries:
        importlib.import_module(library)
    examples = Examples(find_task(recipe.problem.modality).features(dataset.schema, dataset.rows), dataset.target)
    weights = np.ones(len(dataset)) if dataset.weights is None else dataset.weights
    held_out = max(round(VALIDATION_SHARE * new), 1)
    valid = examples.take(np.arange(len(dataset) - held_out, len(dataset)))
    learner: Learner | None = None
    for without, deadline in ((held_out, (time.time() + until) / 2), (0, until)):
        train = taught_with(examples, weights, way, new, without, most_old=len(examples))
        if len(np.unique(train.target)) < 2:
            return None
        steps = int(getattr(learner, "steps", 0))
        learner = recipe.family.build(cast(Any, Replay(recipe.parameters)), recipe.problem)
        learner.fit(train, valid, Progress(deadline, steps=steps))
        if time.time() >= deadline:
            return None
    return learner


def _answers(learner: Learner, dataset: Dataset, model: Model, judges: tuple[LoggedPrediction, ...]) -> Array | None:
    """What a learner of this dataset answers to the judges, in the champion's order of classes; None where they
    differ."""
    frame = feature_frame(judges, [column.name for column in dataset.schema.used])
    features = find_task(model.problem.modality).features(dataset.schema, conform(frame, dataset.schema))
    return same_order(learner.predict(features), dataset.schema.classes, model.schema.classes)
