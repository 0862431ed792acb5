"""Which logged rows train a challenger and which judge it: the newest judge, and none of them has ever trained."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from automl.data.dataset import Rows, conform
from automl.data.labels import label_text
from automl.data.reading import Table
from automl.data.schema import Schema
from automl.errors import DataError
from automl.model.logged import hides_features
from automl.model.model import Model
from automl.store import LoggedPrediction, Store, Version
from automl_monitoring.policy import RetrainPolicy
from automl_monitoring.retraining.plan import LeftOut
from automl_monitoring.retraining.sources import capped, is_outside, trusted
from automl_monitoring.window import feature_frame

MOST_LABELLED = 200_000  # newest labelled rows that a retraining looks at
MOST_CHECKS = 500  # newest, in which broken windows are looked for
TRAINED_THROUGH = "trained_through"
DISTINCT_SHARE = 0.99  # of the training rows must differ from one another for an equal row to be a copy


@dataclass(frozen=True)
class Moment:
    """As of when the log is read: labels that came after `made` and rows after the sequence `until` do not count."""

    made: datetime
    until: int | None = None


@dataclass(frozen=True)
class Labelled:
    """Labelled rows in the order they were answered: `train` the older, `judges` the newest."""

    train: tuple[LoggedPrediction, ...]
    judges: tuple[LoggedPrediction, ...]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def outside_rows(self) -> int:
        """Training rows whose label came over HTTP."""
        return sum(is_outside(entry) for entry in self.train)


def choose_rows(
    store: Store,
    version: Version,
    model: Model,
    old: Table,
    moment: Moment,
    policy: RetrainPolicy,
    lag: float,
    bounds: tuple[int, int] | None = None,
) -> Labelled:
    """The rows that train a challenger of this version and those that judge both. `lag`: seconds that labels take.

    `bounds`: the sequences up to which rows train and from which they judge, where a plan has said so: labels that were
    corrected since must not move them.

    Raises DataError with too few rows, and where the log holds no cells to learn from.
    """
    fresh = unseen(store, version, moment)
    ripe = [entry for entry in fresh if entry.time <= moment.made - timedelta(seconds=lag)]
    sound = without_broken(ripe, store, version.name, moment)
    known = with_features(sound, version.name)
    told = [entry for entry in known if label_text(entry.label, model.schema) is not None]
    keys = row_keys(conform(old.frame, model.schema, old.base))
    known_keys = set(keys)
    distinct = len(known_keys) >= DISTINCT_SHARE * len(keys)  # where rows repeat anyway, equal cells say nothing
    own = without_copies(told, known_keys, model.schema) if distinct else told
    honest, doubted, notes = trusted(own, model)
    split = split_labelled(honest, policy, version.name, trained_through(store, version.name, moment), bounds)
    train, excess = capped(split.train, len(old.frame), policy.most_outside)
    if not train:
        raise DataError(
            f"No labelled row of {version.name} is left to learn from: all labels came over HTTP, or all rows judge.",
            "Raise retrain.most_outside or lower retrain.judge_share in the policy.",
        )
    judges = split.judges
    if distinct:  # a row that was sent again trains or judges, not both
        judges = tuple(without_copies(judges, set(_keys(train, model.schema)), model.schema))
    if len(judges) < policy.least_judges:
        raise DataError(
            f"{version.name} has {len(judges):,} labelled rows to judge with that equal no row to learn from; "
            f"{policy.least_judges:,} are needed.",
            f"Add more with `automl label {version.name} labels.csv`.",
        )
    left_out = [
        LeftOut("answered so lately that most of their labels are still to come", len(fresh) - len(ripe)),
        LeftOut("in a window whose data were broken", len(ripe) - len(sound)),
        LeftOut("the log holds none of their cells", len(sound) - len(known)),
        LeftOut("the label is no class of the model, or no number", len(known) - len(told)),
        LeftOut("sent from the training data itself", len(told) - len(own)),
        *doubted,
        LeftOut("equal to a row to learn from, so that it cannot judge", len(split.judges) - len(judges)),
        LeftOut(f"more than {policy.most_outside:.0%} of the training rows would have labels sent over HTTP", excess),
    ]
    return Labelled(train, judges, tuple(each for each in left_out if each.rows), notes)


def unseen(store: Store, version: Version, moment: Moment | None = None) -> list[LoggedPrediction]:
    """Labelled rows, of any version, answered after the last that this version was trained on; oldest first.

    A label that comes after a retraining for a row answered before its last training row is passed over.
    """
    seen = trained_through(store, version.name, moment, version.number)
    entries = store.log.newest(version.name, MOST_LABELLED, labelled_only=True)
    return [entry for entry in entries if entry.sequence > seen and _is_known(entry, moment)]


def _is_known(entry: LoggedPrediction, moment: Moment | None) -> bool:
    if moment is None:
        return True
    in_time = entry.label_time is None or entry.label_time <= moment.made
    return in_time and (moment.until is None or entry.sequence <= moment.until)


def trained_through(store: Store, name: str, moment: Moment | None = None, number: int | None = None) -> int:
    """The last logged row that any version of a model (or this one) was trained on, as of a moment; 0 for none."""
    return max(
        (
            int(entry.detail[TRAINED_THROUGH])
            for entry in store.audit.of(name)
            if entry.action == "retrain"
            and (number is None or entry.number == number)
            and (moment is None or entry.time <= moment.made)
        ),
        default=0,
    )


def without_broken(
    entries: Sequence[LoggedPrediction], store: Store, name: str, moment: Moment
) -> list[LoggedPrediction]:
    """Leave out the rows of windows that the watch found broken, as it last saw them up to this moment."""
    newest = {
        (record.number, int(record.summary["first"]), int(record.summary["last"])): bool(record.summary["blocks"])
        for record in store.checks.recent(name, MOST_CHECKS)
        if record.summary.get("cut") and record.time <= moment.made
    }
    broken = [window for window, blocks in newest.items() if blocks]
    return [
        entry
        for entry in entries
        if not any(entry.number == number and first <= entry.sequence <= last for number, first, last in broken)
    ]


def with_features(entries: Sequence[LoggedPrediction], name: str) -> list[LoggedPrediction]:
    """The rows whose cells the log holds; DataError if it holds those of none."""
    kept = [entry for entry in entries if not hides_features(entry)]
    if entries and not kept:
        raise DataError(
            f"The log holds no cells of the {len(entries):,} labelled rows of {name} to learn from.",
            "Serve with --log-features full before a retraining, or run `automl fit` with the new data.",
        )
    return kept


def without_copies(
    entries: Sequence[LoggedPrediction], known: Collection[tuple[object, ...]], schema: Schema
) -> list[LoggedPrediction]:
    """Leave out rows with the cells of a known one: as judges they would flatter whoever was trained on it."""
    return [entry for entry, key in zip(entries, _keys(entries, schema), strict=True) if key not in known]


def _keys(entries: Sequence[LoggedPrediction], schema: Schema) -> list[tuple[object, ...]]:
    return row_keys(conform(feature_frame(entries, [column.name for column in schema.used]), schema))


def row_keys(rows: Rows) -> list[tuple[object, ...]]:
    """Each conformed row as a tuple that equals that of an equal row; a missing cell equals a missing cell."""
    columns = [[None if cell != cell else cell for cell in array.tolist()] for array in rows.arrays.values()]
    return list(zip(*columns, strict=True))


def split_labelled(
    entries: Sequence[LoggedPrediction],
    policy: RetrainPolicy,
    name: str,
    trained: int = 0,
    bounds: tuple[int, int] | None = None,
) -> Labelled:
    """The newest rows are held out as judges, of those after the sequence `trained`; DataError with too few rows.

    `bounds`: the sequences up to which rows train and from which they judge, where they are settled already.
    A row that a rejected challenger was trained on may train again, and never judges.
    """
    fewest = policy.least_judges + 1
    needed = max(policy.least_labels, fewest)
    if len(entries) < needed:
        raise DataError(
            f"{name} has {len(entries):,} labelled rows new to its champion; {needed:,} are needed.",
            f"Add some with `automl label {name} labels.csv`"
            + (", or lower --min-labels." if policy.least_labels > fewest else "."),
        )
    held_out = max(round(len(entries) * policy.judge_share), policy.least_judges)
    newest = entries[-held_out:] if bounds is None else [entry for entry in entries if entry.sequence >= bounds[1]]
    judges = tuple(entry for entry in newest if entry.sequence > trained)
    if len(judges) < policy.least_judges:
        raise DataError(
            f"{name} has {len(judges):,} labelled rows that no version was trained on to judge with; "
            f"{policy.least_judges:,} are needed.",
            f"Add newer ones with `automl label {name} labels.csv`.",
        )
    last = judges[0].sequence - 1 if bounds is None else bounds[0]
    return Labelled(tuple(entry for entry in entries if entry.sequence <= last), judges)
