"""What a user asks of a fit, and how to ask the same again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from automl.data.roles import Roles, SplitKind
from automl.data.schema import Schema
from automl.hooks import architectures
from automl.model.choices import Preference
from automl.search.run import TrialStart, read_decisions, read_question, read_results
from automl.store import Store, Version

STARTS = 6  # trials of a former search, beside the members of its model, that the next one begins with


@dataclass(frozen=True)
class FitRequest:
    """What a user asks of a fit. Whatever is None is inferred and said.

    `kinds` fixes column kinds by name; `alias` is set on the new version; `started` is a `time.time()` instant from
    which `seconds` count; `resume` demands an unfinished run of the same question. `drop_leaks`: found leaks are not
    learned from. `balance`: none, weights or oversample, for classes of unequal size. `augment`: synthetic training
    rows, if they help. `reference_rows`: the artifact may hold rows of the data, not their statistics alone.

    `seconds` may be infinite where `max_trials` is given; then the search is the same every time. `workers`: trials
    side by side. `memory`: bytes for all processes together. `prefer`: which of the choices is delivered: best,
    balanced or fastest; `max_latency_ms` (one row, warm) and `max_bytes` (of the learners) bound them all. `refit`: the
    chosen members are taught once more on all rows, or not at all; None: on all but the holdout, on all where rows are
    ordered by time and the newest are the holdout. `starts`: what is tried first, before the portfolio (see
    `recipe_of`). `weights`: pretrained weights for images, texts and tables, folders or names in a cache; if there are
    none, what the caches hold is used, with ("none",) nothing. `allow_download`: a name that no cache holds may be
    fetched. `only`: architectures to search, all of the modality if empty.
    """

    target: str | None = None
    task: str | None = None
    seconds: float = 60.0
    metric: str | None = None
    name: str | None = None
    seed: int = 0
    modality: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    alias: str | None = None
    note: str = ""
    max_trials: int | None = None
    executor: Literal["local", "inline"] = "local"
    resume: bool = False
    started: float | None = None
    roles: Roles = field(default_factory=Roles)
    split: SplitKind | None = None
    drop_leaks: bool = False
    balance: str = "none"
    augment: bool = False
    reference_rows: bool = True
    workers: int | None = None
    memory: int | None = None
    prefer: Preference = "best"
    max_latency_ms: float | None = None
    max_bytes: int | None = None
    refit: bool | None = None
    starts: tuple[TrialStart, ...] = ()
    weights: tuple[str, ...] = ()
    allow_download: bool = False
    only: tuple[str, ...] = ()


def asked_again(store: Store, version: Version) -> FitRequest:
    """The request that makes another version like this one: same problem, same columns, same kind of split."""
    folder = store.runs_folder / version.run
    question, decisions = read_question(folder), read_decisions(folder)
    schema = Schema.load(version.folder / "schema.json")
    known = architectures(question.modality)
    roles, split, column = question.roles, decisions.get("split"), decisions.get("column")
    if split == "group":
        roles = replace(roles, group=column)
    elif split == "time":
        roles = replace(roles, time=column)
    return FitRequest(
        target=question.target,
        task=question.task,
        seconds=question.seconds,
        metric=question.metric,
        name=question.name,
        seed=question.seed,
        modality=question.modality,
        kinds={column.name: column.kind for column in schema.columns},
        roles=roles,
        split=split,
        balance=question.balance,
        augment=question.augment,
        reference_rows=not (version.folder / "reference.json").exists(),
        refit=decisions.get("refit"),
        only=tuple(name for name in decisions.get("only", ()) if name in known),
        weights=tuple(folder for folder in question.weights.values() if Path(folder).is_dir()) or ("none",),
    )


def recipe_of(store: Store, version: Version, most: int = STARTS) -> tuple[TrialStart, ...]:
    """What to try first for more rows of the same kind: the version's members, the heaviest first, then the best of the
    other trials that its search made, `most` of them."""
    record = json.loads((version.folder / "model.json").read_text(encoding="utf-8"))
    weights, members = dict[str, float](), dict[str, TrialStart]()
    for member in record["members"]:  # a trial may stand for two of them
        key = json.dumps([member["architecture"], member["parameters"]], sort_keys=True)
        weights[key] = weights.get(key, 0.0) + float(member["weight"])
        members[key] = TrialStart(member["architecture"], member["parameters"])
    starts = [members[key] for key in sorted(members, key=lambda key: -weights[key])]
    most += len(starts)
    results = sorted(read_results(store.runs_folder / version.run), key=lambda result: result.loss)
    for result in results:
        start = TrialStart(result.architecture, dict(result.parameters))
        if len(starts) >= most:
            break
        if start not in starts:
            starts.append(start)
    return tuple(starts)
