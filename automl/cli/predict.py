"""`automl predict` and `automl verify`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl.cli.console import problems, say
from automl.cli.formulas import disarmed
from automl.cli.options import QueryOption, SheetOption, StoreOption, TableOption, VersionOption

if TYPE_CHECKING:
    import pandas as pd

    from automl.data.dataset import Issue
    from automl.data.reading import Table
    from automl.model.model import Answers, Model


def add(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("predict", epilog="Example: automl predict telco_churn new_rows.csv -o predictions.csv")(predict)
    app.command("verify", epilog="Example: automl verify telco_churn")(verify)


def predict(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model's name.")],
    source: Annotated[str, typer.Argument(metavar="DATA", help="Any source that `automl fit` takes.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="The CSV to write; the standard output if left out."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", metavar="COLUMN", help="Copy a column of the source, like a key; may be repeated."),
    ] = None,
    log: Annotated[
        bool,
        typer.Option("--log", help="Log each prediction as the endpoint does, and write its id for a later label."),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse unseen levels, unreadable cells and absent columns.")
    ] = False,
    query: QueryOption = None,
    table_name: TableOption = None,
    sheet: SheetOption = None,
    version: VersionOption = "champion",
    store: StoreOption = None,
) -> None:
    """Predict every row of a source, in its order. Of a folder of files, each answer stands beside its file."""
    from automl.data.reading import Wanted
    from automl.hooks import read_source
    from automl.model.artifact import load_model
    from automl.model.logged import log_entries
    from automl.store import Store

    if output is not None:
        check_output(output)
    home = Store(store)
    found = home.versions.find(name, version)
    table = read_source(source, Wanted(query, table_name, sheet))
    model = load_model(found.folder)
    cells, unreadable = (table.frame, ()) if strict else without_unreadable(table, model)
    answers = model.answer(cells, table.base, strict)
    for note in table.notes:
        problems.print(f"note: {note}", markup=False)
    for issue in (*unreadable, *answers.issues):
        problems.print(f"note: {in_words(issue)}", markup=False)
    frame = answers_frame(answers, model)
    if table.files:
        frame.insert(0, "file", list(table.files))
    for position, column in enumerate(keep or []):
        frame.insert(position, column, kept_column(table, column))
    if log:
        entries = log_entries(model, (name, found.number), loggable_rows(cells, model, table.base), answers)
        home.log.write(entries)
        frame.insert(0, "id", [entry.id for entry in entries])
    frame, formulas = disarmed(frame)
    if formulas:
        counted = "1 cell" if formulas == 1 else f"{formulas:,} cells"
        problems.print(f"note: an apostrophe stands before {counted} that a spreadsheet would run as a formula")
    if output is None:
        frame.to_csv(sys.stdout, index=False)
        return
    _write(frame, output)
    say(f"{len(frame):,} predictions of {name} version {found.number} in {output}")


def without_unreadable(table: Table, model: Model) -> tuple[pd.DataFrame, tuple[Issue, ...]]:
    """The cells of a table with nothing in the place of images that cannot be read, and how many of each column.

    The images of a folder were read when it was listed.
    """
    from automl.data.columns import image_of
    from automl.data.dataset import Issue, object_array
    from automl.data.pictures import is_readable

    frame, issues = table.frame, []
    for name in [column.name for column in model.schema.images if column.name in frame and not table.files]:
        cells = frame[name].tolist()
        images = [image_of(cell, table.base) for cell in cells]
        bad = [image is not None and not is_readable(image) for image in images]
        if any(bad):
            issues.append(Issue(name, "no image that can be read", sum(bad)))
            kept = [None if damaged else cell for cell, damaged in zip(cells, bad, strict=True)]
            frame = frame.assign(**{name: object_array(kept)})
    return frame, tuple(issues)


def in_words(issue: Issue) -> str:
    """What was made of cells that could not be taken as they came."""
    from automl.data.columns import ABSENT, RARE_OR_UNSEEN

    if issue.what == ABSENT:
        return f"the column {issue.column!r} is not there: it was taken as missing"
    taken = "rare levels" if issue.what == RARE_OR_UNSEEN else "missing"
    counted, were = ("1 cell", "was") if issue.count == 1 else (f"{issue.count:,} cells", "were")
    return f"{counted} of {issue.column!r} ({issue.what}) {were} taken as {taken}"


def kept_column(table: Table, column: str) -> list[object]:
    """A column of the source as it is; OptionError with the nearest name if there is none."""
    from automl.errors import OptionError, nearest

    names = [str(name) for name in table.frame.columns]
    if column not in names:
        raise OptionError(f"There is no column {column!r} to keep.", nearest(column, names))
    return list(table.frame[column])


def loggable_rows(frame: pd.DataFrame, model: Model, base: Path | None = None) -> list[dict[str, object]]:
    """The raw cells of each row as `log_entries` takes them; paths of images refer to `base`."""
    from automl.data.cells import as_json
    from automl.data.columns import image_of

    columns = [column for column in model.schema.used if column.name in frame]
    cells = [
        [image_of(value, base) if column.kind == "image" else as_json(value) for value in frame[column.name].tolist()]
        for column in columns
    ]
    names = [column.name for column in columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]


def answers_frame(answers: Answers, model: Model) -> pd.DataFrame:
    """`prediction` and, for classification, one `probability_<class>` per class."""
    import pandas as pd

    columns: dict[str, object] = {"prediction": answers.prediction}
    if answers.probabilities is not None:
        for number, label in enumerate(model.schema.classes):
            columns[f"probability_{label}"] = answers.probabilities[:, number]
    return pd.DataFrame(columns)


def check_output(output: Path) -> None:
    """OptionError if no file can be written there."""
    from automl.errors import OptionError

    if not output.parent.is_dir():
        raise OptionError(f"The folder {output.parent} does not exist.", "Make it first, or write elsewhere.")
    if output.is_dir():
        raise OptionError(f"{output} is a folder.", "Name a file in it.")


def _write(frame: pd.DataFrame, output: Path) -> None:
    """Write the file whole or not at all."""
    draft = output.with_name(f".{output.name}.part")
    try:
        frame.to_csv(draft, index=False)
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)


def verify(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model's name.")],
    version: VersionOption = "champion",
    store: StoreOption = None,
) -> None:
    """Check every file of a model against its manifest and re-predict its self-test rows."""
    from automl.model.artifact import load_model, verify_model
    from automl.store import Store

    found = Store(store).versions.find(name, version)
    rows = verify_model(load_model(found.folder))
    say(f"{name} version {found.number} is sound: every file matches, {rows} self-test rows re-predicted.")
