"""Retraining: old rows and newly labelled ones make a challenger; the newest labelled rows judge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.data.cells import as_moment, as_number, as_source_text, as_truth
from automl.data.dataset import Rows, conform, object_array
from automl.data.reading import Table
from automl.data.schema import Schema
from automl.data.weights import row_weights
from automl.errors import DataError
from automl.hooks import Event, announce
from automl.metrics import find_metric
from automl.model.artifact import load_model
from automl.model.logged import hides_features
from automl.model.model import Model
from automl.model.threshold import weighed
from automl.store import CHALLENGER, CHAMPION, AuditEntry, LoggedPrediction, Store, Version
from automl_monitoring.gate import Judgement, judge_challenger, same_order
from automl_monitoring.window import conform_labels, feature_frame

if TYPE_CHECKING:
    import pandas as pd

JUDGE_SHARE = 0.3
LEAST_JUDGES = 50
MOST_LABELLED = 200_000  # newest labelled rows that a retraining looks at
TRAINED_THROUGH = "trained_through"
DISTINCT_SHARE = 0.99  # of the training rows must differ from one another for an equal row to be a copy


@dataclass(frozen=True)
class Labelled:
    """Labelled rows in the order they were answered: `train` the older, `judges` the newest."""

    train: tuple[LoggedPrediction, ...]
    judges: tuple[LoggedPrediction, ...]


@dataclass(frozen=True)
class Retraining:
    """How a retraining ended. `promoted` may be forced: then `judgement.promote` is false."""

    name: str
    champion: int
    challenger: int
    promoted: bool
    why: str
    judgement: Judgement
    old_rows: int
    new_rows: int

    def record(self) -> dict[str, Any]:
        """Plain JSON: what was decided and the figures it rests on."""
        return asdict(self)


def retrain(
    store: Store,
    name: str,
    seconds: float,
    least_labels: int = 100,
    force: bool = False,
    max_trials: int | None = None,
) -> Retraining:
    """Train a challenger of the champion, judge both, promote or keep; every outcome is in the audit trail.

    Raises DataError when there are too few labelled rows that the champion has not been trained on, or for a model of
    images, which the log does not keep.
    """
    from automl.engine import fit_table, training_table
    from automl.request import asked_again

    champion = store.versions.find(name, CHAMPION)
    model = load_model(champion.folder)
    if model.schema.of_kind("image"):
        raise DataError(
            f"{name} learns from images, and the log keeps none to retrain with.",
            f"Add the new images to its folder and run `automl fit FOLDER --name {name}`.",
        )
    old = training_table(store, champion)
    fresh = without_copies(with_features(unseen(store, champion), name), old, model.schema)
    labelled = split_labelled(fresh, least_labels, name)
    again = asked_again(store, champion)
    table = with_moments(grown_table(old, labelled.train, model.schema), again.roles.time, labelled.train)
    table = with_weights(table, again.roles.weight, len(old.frame))
    request = replace(
        again,
        seconds=seconds,
        name=name,
        alias=CHALLENGER,
        note=f"retrained from version {champion.number} with {len(labelled.train):,} newly labelled rows",
        max_trials=max_trials,
    )
    fitted = fit_table(table, request, store)
    note_training(store, fitted.version, champion, labelled)
    judgement = judge_on(model, load_model(fitted.version.folder), labelled.judges)
    group = again.roles.group
    if group and judgement.promote and table.frame[group].tail(len(labelled.train)).isna().any():
        why = (
            f"{judgement.why}; but the log does not say which {group} a row is of, so that rows of one may have "
            "trained and judged, and the gain may be flattery"
        )
        judgement = replace(judgement, promote=False, why=why)
    outcome = Retraining(
        name=name,
        champion=champion.number,
        challenger=fitted.version.number,
        promoted=judgement.promote or force,
        why=judgement.why if judgement.promote or not force else f"promoted by force although {judgement.why}",
        judgement=judgement,
        old_rows=len(old.frame),
        new_rows=len(labelled.train),
    )
    return conclude(store, outcome, labelled)


def note_training(store: Store, challenger: Version, champion: Version, labelled: Labelled) -> None:
    """Write down which logged rows a challenger was trained on, so that they never judge it."""
    detail = {"from": champion.number, TRAINED_THROUGH: labelled.train[-1].sequence}
    why = f"trained with {len(labelled.train):,} newly labelled rows"
    store.audit.add(AuditEntry("retrain", challenger.name, challenger.number, why, detail))


def conclude(store: Store, outcome: Retraining, labelled: Labelled) -> Retraining:
    """Move the champion alias or not, and write down why."""
    detail = {**outcome.record(), "judged_from": labelled.judges[0].id, "judged_to": labelled.judges[-1].id}
    current = store.versions.find(outcome.name, CHAMPION).number
    if outcome.promoted and current != outcome.champion:
        why = f"the champion became version {current} meanwhile, against which nothing was judged"
        outcome = replace(outcome, promoted=False, why=why)
    if not outcome.promoted:
        store.audit.add(AuditEntry("keep", outcome.name, outcome.champion, outcome.why, detail))
        return outcome
    store.versions.point(outcome.name, CHAMPION, outcome.challenger, outcome.why, detail)
    announce(Event("promoted", outcome.name, detail))
    return outcome


def unseen(store: Store, version: Version) -> list[LoggedPrediction]:
    """Labelled rows, of any version, answered after the last that this version was trained on; oldest first.

    A label that comes after a retraining for a row answered before its last training row is passed over.
    """
    seen = [
        int(entry.detail[TRAINED_THROUGH])
        for entry in store.audit.of(version.name)
        if entry.action == "retrain" and entry.number == version.number
    ]
    entries = store.log.newest(version.name, MOST_LABELLED, labelled_only=True)
    return [entry for entry in entries if not seen or entry.sequence > seen[-1]]


def with_features(entries: Sequence[LoggedPrediction], name: str) -> list[LoggedPrediction]:
    """The rows whose cells the log holds; DataError if it holds those of none."""
    kept = [entry for entry in entries if not hides_features(entry)]
    if entries and not kept:
        raise DataError(
            f"The log holds no cells of the {len(entries):,} labelled rows of {name} to learn from.",
            "Serve with --log-features full before a retraining, or run `automl fit` with the new data.",
        )
    return kept


def without_copies(entries: Sequence[LoggedPrediction], old: Table, schema: Schema) -> list[LoggedPrediction]:
    """Leave out rows that were sent from the training data itself: they would flatter the champion as judges.

    Where training rows repeat one another anyway (few columns, few levels), equal cells say nothing, and all stay.
    """
    names = [column.name for column in schema.used]
    known = row_keys(conform(old.frame, schema, old.base))
    if len(set(known)) < DISTINCT_SHARE * len(known):
        return list(entries)
    seen = set(known)
    keys = row_keys(conform(feature_frame(entries, names), schema))
    return [entry for entry, key in zip(entries, keys, strict=True) if key not in seen]


def row_keys(rows: Rows) -> list[tuple[object, ...]]:
    """Each conformed row as a tuple that equals that of an equal row; a missing cell equals a missing cell."""
    columns = [[None if cell != cell else cell for cell in array.tolist()] for array in rows.arrays.values()]
    return list(zip(*columns, strict=True))


def split_labelled(entries: Sequence[LoggedPrediction], least_labels: int, name: str) -> Labelled:
    """The newest three tenths, at least fifty, are held out as judges; DataError with too few rows."""
    needed = max(least_labels, LEAST_JUDGES + 1)
    if len(entries) < needed:
        raise DataError(
            f"{name} has {len(entries):,} labelled rows new to its champion; {needed:,} are needed.",
            f"Add some with `automl label {name} labels.csv`"
            + (", or lower --min-labels." if least_labels > LEAST_JUDGES + 1 else "."),
        )
    held_out = max(round(len(entries) * JUDGE_SHARE), LEAST_JUDGES)
    return Labelled(tuple(entries[:-held_out]), tuple(entries[-held_out:]))


def judge_on(champion: Model, challenger: Model, judges: Sequence[LoggedPrediction]) -> Judgement:
    """Both models answer the judge rows anew."""
    schema = champion.schema
    metric = find_metric(champion.problem.metric)
    names = list(dict.fromkeys(column.name for model in (champion, challenger) for column in model.schema.used))
    frame = feature_frame(judges, names)
    ours, theirs = _outputs(champion, frame), _outputs(challenger, frame)
    aligned = same_order(theirs, challenger.schema.classes, schema.classes)
    if aligned is None:
        return Judgement(False, "the challenger's classes are not the champion's", metric.name, len(judges))
    return judge_challenger(metric, conform_labels(judges, schema), ours, aligned)


def _outputs(model: Model, frame: pd.DataFrame) -> Any:
    return weighed(model.outputs(conform(frame, model.schema)), model.decision)


def grown_table(old: Table, entries: Sequence[LoggedPrediction], schema: Schema) -> Table:
    """The old raw rows followed by logged rows, written as the old source writes its cells.

    Columns that the log does not hold (the ignored ones) are missing in the new rows.
    """
    import pandas as pd

    logged = feature_frame(entries, [str(name) for name in old.frame.columns])
    logged[schema.target] = object_array([entry.label for entry in entries])
    commas = {column.name for column in schema.columns if column.comma} | ({schema.target} if schema.comma else set())
    new = pd.DataFrame(
        {name: as_cells_of(old.frame[name], logged[name].tolist(), name in commas) for name in old.frame.columns}
    )
    return replace(old, frame=pd.concat([old.frame, new], ignore_index=True), target=schema.target)


def with_moments(table: Table, time: str | None, entries: Sequence[LoggedPrediction]) -> Table:
    """The grown table with a moment for each logged row, so that what came last is last.

    The log does not hold a time column that is not learned from: dates become those of the predictions, and plain
    numbers go on where they ended.
    """
    import pandas as pd

    if time is None or not (table.frame[time].iloc[-len(entries) :].isna().all()):
        return table
    frame = table.frame.copy(deep=False)
    old = frame[time].iloc[: -len(entries)]
    numbers = np.array([as_number(cell) for cell in old.tolist()])
    if np.isfinite(numbers).any():
        moments: list[Any] = (np.nanmax(numbers) + 1 + np.arange(len(entries))).tolist()
    else:
        moments = [entry.time.strftime("%Y-%m-%d %H:%M:%S") for entry in entries]
    frame[time] = pd.concat([old, as_cells_of(old, moments)], ignore_index=True)
    return replace(table, frame=frame)


def with_weights(table: Table, name: str | None, old_rows: int) -> Table:
    """The grown table with a weight for each logged row, of which the log knows none: the mean of the old ones, 1."""
    if name is None:
        return table
    weights = np.ones(len(table.frame))
    weights[:old_rows] = row_weights(table.frame[name].iloc[:old_rows], name, name in table.commas)
    return replace(table, frame=table.frame.assign(**{name: weights}), commas=table.commas - {name})


def as_cells_of(column: pd.Series, values: Sequence[Any], comma: bool = False) -> pd.Series:
    """Cells as this column of the source holds them: text (of numbers with decimal commas), numbers or moments; other
    types as they come."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(column.dtype):
        truths = [as_truth(value) for value in values]
        return pd.Series([None if truth != truth else truth == 1.0 for truth in truths], dtype=object)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return pd.Series([as_number(value) for value in values], dtype="float64")
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        moments = pd.to_datetime([as_moment(value) for value in values], unit="s", utc=True)
        zone = getattr(column.dtype, "tz", None)
        return pd.Series(moments.tz_convert(zone) if zone is not None else moments.tz_localize(None))
    if pd.api.types.is_string_dtype(column.dtype):
        return pd.Series([as_source_text(value, comma) for value in values], dtype=column.dtype)
    return pd.Series(object_array(list(values)), dtype=object)
