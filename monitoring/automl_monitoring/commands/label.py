"""`automl label`: late ground truth, joined to logged predictions by id."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from automl.cli.console import print_json, say, store_given
from automl.cli.options import JsonOption, StoreOption
from automl_monitoring.commands import NameArgument

SourceArgument = Annotated[
    Path,
    typer.Argument(metavar="LABELS", help="A table with prediction ids (id) and the true values (label)."),
]


def label(name: NameArgument, labels: SourceArgument, store: StoreOption = None, json: JsonOption = False) -> None:
    """Add the true outcomes of logged predictions.

    The table has a column id (or prediction_id) and a column label (or one called like the target).
    Giving the same labels again changes nothing; another label for the same id is an audited correction.
    """
    from dataclasses import asdict

    from automl.data.schema import Schema
    from automl.errors import DataError
    from automl.hooks import read_source
    from automl.store import Store
    from automl_monitoring.labels import read_labels

    home = Store(store)
    version = home.versions.find(name)
    pairs = read_labels(read_source(labels).frame, Schema.load(version.folder / "schema.json"))
    result = home.log.add_labels(name, pairs, source=labels.name)
    if len(result.unknown) == len(pairs):
        raise DataError(
            f"None of the {len(pairs):,} ids is that of a logged prediction of {name}, for example {pairs[0][0]!r}.",
            "The id of a prediction stands in the endpoint's answer.",
        )
    if json:
        print_json({"model": name, **asdict(result)})
        return
    say(
        f"{result.added:,} labels added, {result.unchanged:,} unchanged, {result.corrected:,} corrected, "
        f"{len(result.unknown):,} with an unknown id."
    )
    if result.unknown:
        shown = ", ".join(result.unknown[:3]) + (", …" if len(result.unknown) > 3 else "")
        say(f"Unknown to {escape(name)}: {escape(shown)}")
    if result.added or result.corrected:
        say(f"Next: [bold]automl check {escape(name)}{store_given(store)}[/]")
