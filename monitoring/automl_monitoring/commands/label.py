"""`automl label`: late ground truth, joined to logged predictions by id or by key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from automl.cli.console import print_json, say, store_given
from automl.cli.options import JsonOption, QueryOption, SheetOption, StoreOption, TableOption
from automl_monitoring.commands import NameArgument

if TYPE_CHECKING:
    from automl.data.reading import Table
    from automl.data.schema import Schema
    from automl.store import LabelResult, Store

SourceArgument = Annotated[
    str,
    typer.Argument(metavar="LABELS", help="A table with ids (id) or keys and true values (label): a file or address."),
]
ByOption = Annotated[
    str,
    typer.Option(metavar="COLUMN", help="id, or the column that holds the keys that came with the rows."),
]
LONGEST_SOURCE = 255  # characters


def label(
    name: NameArgument,
    labels: SourceArgument,
    by: ByOption = "id",
    query: QueryOption = None,
    table: TableOption = None,
    sheet: SheetOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Add the true outcomes of logged predictions.

    The table has a column id (or prediction_id) and a column label (or one called like the target). With --by, it has
    the keys of the rows instead (see `automl serve --key-column`): a label is given to the newest prediction of its
    key, with a column label_time or time to the newest before that. Giving the same labels again changes nothing;
    another label for the same prediction is an audited correction.
    """
    from dataclasses import asdict

    from automl.data.reading import Wanted
    from automl.data.schema import Schema
    from automl.hooks import read_source
    from automl.store import Store

    home = Store(store)
    version = home.versions.find(name)
    schema = Schema.load(version.folder / "schema.json")
    result = _joined(home, name, read_source(labels, Wanted(query, table, sheet)), schema, by, source_of(labels))
    if json:
        print_json({"model": name, **asdict(result)})
        return
    say(
        f"{result.added:,} labels added, {result.unchanged:,} unchanged, {result.corrected:,} corrected, "
        f"{len(result.unknown):,} with an unknown {'id' if _is_id(by) else 'key'}."
    )
    if result.unknown:
        shown = ", ".join(result.unknown[:3]) + (", …" if len(result.unknown) > 3 else "")
        say(f"Unknown to {escape(name)}: {escape(shown)}")
    if result.added or result.corrected:
        say(f"Next: [bold]automl check {escape(name)}{store_given(store)}[/]")


def _joined(home: Store, name: str, table: Table, schema: Schema, by: str, source: str) -> LabelResult:
    """What became of the labels of a table; DataError if none of them is of a prediction."""
    from automl.errors import DataError
    from automl_monitoring.labels import read_key_labels, read_labels

    if _is_id(by):
        pairs = read_labels(table.frame, schema)
        count, first = len(pairs), pairs[0][0]
        result = home.log.add_labels(name, pairs, source)
        what, where = "ids", "The id of a prediction stands in the endpoint's answer."
    else:
        keyed = read_key_labels(table.frame, schema, by)
        count, first = len({each.key for each in keyed}), keyed[0].key
        result = home.log.add_labels_by_key(name, keyed, source)
        what, where = "keys", "Keys are logged by `automl serve --key-column COLUMN`; is the label's time before all?"
    if len(result.unknown) == count and not (result.added or result.unchanged or result.corrected):
        raise DataError(
            f"None of the {count:,} {what} is that of a logged prediction of {name}, for example {first!r}.", where
        )
    return result


def source_of(labels: str) -> str:
    """Where labels came from, as the store keeps it: never beginning like those that came over HTTP, and without what
    an address may hold of passwords."""
    from automl.data.remote import is_address, is_database, shown

    if is_database(labels):
        return f"table {shown(labels)}"[:LONGEST_SOURCE]
    return f"file {shown(labels) if is_address(labels) else Path(labels).name}"[:LONGEST_SOURCE]


def _is_id(by: str) -> bool:
    from automl_monitoring.labels import ID_NAMES

    return by.casefold() in ID_NAMES
