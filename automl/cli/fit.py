"""`automl fit`: from a file to a registered model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from automl.cli.console import complain, console, make_table, print_json, say, score_text, store_given
from automl.cli.options import (
    ExcludeOption,
    GroupOption,
    JsonOption,
    QueryOption,
    SchemaOption,
    SensitiveOption,
    SheetOption,
    SplitOption,
    StoreOption,
    TableOption,
    TimeColumnOption,
    TypesOption,
    UseSensitiveOption,
)

if TYPE_CHECKING:
    from automl.data.roles import Roles
    from automl.data.schema_file import SchemaFile
    from automl.engine import FitResult
    from automl.inspection.findings import Finding
    from automl.model.assembly import LeaderboardRow

STARTED: float | None = None
SHOWN_ROWS = 8

EPILOG = "Example: automl fit telco_churn.csv --task classify --target Churn --time 60s"


def add(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("fit", epilog=EPILOG)(fit)


def fit(
    source: Annotated[
        str, typer.Argument(metavar="DATA", help="A file, folder, glob (quoted), database or web address.")
    ],
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column to predict.")] = None,
    task: Annotated[str | None, typer.Option(metavar="TASK", help="classify or regress; inferred if left out.")] = None,
    time: Annotated[str, typer.Option(metavar="DURATION", help="Wall-clock budget of the whole command.")] = "60s",
    metric: Annotated[
        str | None,
        typer.Option(metavar="METRIC", help="What to optimise: roc_auc, log_loss, accuracy, f1, rmse, mae …"),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model's name; the file's stem if left out.")
    ] = None,
    modality: Annotated[
        str | None, typer.Option(metavar="PLUGIN", help="The task plugin: tabular, image, text; matched if left out.")
    ] = None,
    types: TypesOption = None,
    schema: SchemaOption = None,
    query: QueryOption = None,
    table: TableOption = None,
    sheet: SheetOption = None,
    exclude: ExcludeOption = None,
    sensitive: SensitiveOption = None,
    use_sensitive: UseSensitiveOption = False,
    group: GroupOption = None,
    time_column: TimeColumnOption = None,
    split: SplitOption = None,
    drop_leaks: Annotated[
        bool, typer.Option("--drop-leaks", help="Do not learn from columns that give the target away.")
    ] = False,
    balance: Annotated[
        str,
        typer.Option(metavar="HOW", help="For rare classes: none, weights or oversample. Probabilities stay true."),
    ] = "none",
    augment: Annotated[
        bool, typer.Option("--augment", help="Train with synthetic rows too, if they prove to help.")
    ] = False,
    no_reference_rows: Annotated[
        bool, typer.Option("--no-reference-rows", help="Keep statistics instead of rows of the data in the artifact.")
    ] = False,
    trials: Annotated[int | None, typer.Option(min=1, help="At most so many trials.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of splits, samplers and learners.")] = 0,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Demand that an unfinished run is continued (the same command does so anyway)."),
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search, combine and register the best model for a file within a time budget."""
    from automl.cli.progress_view import ProgressView
    from automl.search.budget import parse_duration

    seconds = parse_duration(time)
    with ProgressView(seconds, quiet=as_json) as view:
        from automl.data.reading import Wanted
        from automl.data.roles import Roles
        from automl.engine import FitRequest, fit_source
        from automl.store import Store

        roles = Roles(tuple(exclude or ()), tuple(sensitive or ()), use_sensitive, group, time_column)
        said = columns_asked(schema, target, task, types, roles, split)
        request = FitRequest(
            target=said.target,
            task=said.task,
            seconds=seconds,
            metric=metric,
            name=name,
            seed=seed,
            modality=modality,
            kinds=said.kinds,
            max_trials=trials,
            resume=resume,
            started=STARTED,
            roles=said.roles,
            split=said.split,
            drop_leaks=drop_leaks,
            balance=balance,
            augment=augment,
            reference_rows=not no_reference_rows,
        )
        confirm = view.ask_about_leaks if sys.stdin.isatty() and not as_json else never
        try:
            result = fit_source(source, request, Store(store), view, Wanted(query, table, sheet), confirm)
        except KeyboardInterrupt:
            complain("Stopped. Every finished trial is kept: the same command goes on from here.")
            raise typer.Exit(130) from None
    if as_json:
        print_json(_record(result))
    else:
        _show(result, source, store)


def never(leaks: Sequence[Finding]) -> bool:
    """The answer where nobody can be asked: what is found is said, and learned from."""
    return False


def columns_asked(
    schema: Path | None,
    target: str | None,
    task: str | None,
    types: Sequence[str] | None,
    roles: Roles,
    split: str | None,
) -> SchemaFile:
    """What a schema.toml says, where there is one, overruled by the options."""
    from automl.data.schema_file import SchemaFile, read_schema_file, split_kind

    said = SchemaFile(target, task, parse_types(types or []), roles, split_kind(split))
    return said if schema is None else read_schema_file(schema).overruled_by(said)


def parse_types(pairs: Sequence[str]) -> dict[str, str]:
    """{'zip': 'category'} from ['zip=category']; OptionError for anything else."""
    from automl.errors import OptionError

    kinds = {}
    for pair in pairs:
        column, separator, kind = pair.rpartition("=")
        if not separator or not column:
            raise OptionError(f"--types {pair!r} is not COLUMN=KIND.", "Example: --types zip=category")
        kinds[column] = kind
    return kinds


def leaderboard_table(rows: Sequence[LeaderboardRow], metric: str, shown: int = SHOWN_ROWS) -> object:
    """The best trials as a table for the terminal."""
    table = make_table(
        "rank", "architecture", f"{metric} (out-of-fold)", "weight", "fit s", "ms/row", "trial",
        numbers=("rank", f"{metric} (out-of-fold)", "weight", "fit s", "ms/row", "trial"),
    )  # fmt: skip
    for row in rows[:shown]:
        weight = f"{row.weight:.2f}" if row.weight else "–"
        cells = (score_text(row.score), weight, f"{row.seconds:.1f}", f"{row.predict_ms_per_row:.3f}", str(row.trial))
        table.add_row(str(row.rank), row.architecture, *cells)
    return table


def _show(result: FitResult, source: str, store: Path | None) -> None:
    where = store_given(store)
    version, card = result.version, result.model.card
    if result.leaderboard:
        say("\n[bold]Leaderboard[/]")
        console.print(leaderboard_table(result.leaderboard, card.metric))
        if len(result.leaderboard) > SHOWN_ROWS:
            say(f"… and {len(result.leaderboard) - SHOWN_ROWS} more: automl leaderboard {version.name}")
    say(
        f"\n[bold]{version.name} version {version.number}[/]"
        + (" is the champion" if "champion" in version.aliases else "")
    )
    for note in card.notes:
        console.print(f"[yellow]note[/]  {escape(note)}")
    if "out_of_fold" in card.scores:
        say(f"{card.metric} of the ensemble, out-of-fold: {score_text(card.scores['out_of_fold'])}")
    if "holdout" in card.scores:
        between = "95% interval unknown"
        if "holdout_low" in card.scores:
            low, high = card.scores["holdout_low"], card.scores["holdout_high"]
            between = f"95% interval {low:.4g} to {high:.4g}"
        say(
            f"{card.metric} on the holdout that no decision saw: "
            f"[bold]{score_text(card.scores['holdout'])}[/] ({between})"
        )
    say(f"model   {escape(str(version.folder))}")
    say(f"report  {escape(str(result.run_folder / 'report.html'))}")
    say("\n[bold]Next[/]")
    if "champion" not in version.aliases:
        say(f"  automl promote {version.name} {version.number} --why TEXT{where}    # till then the old one answers")
        where = f" --version {version.number}{where}"
    rows = source if "://" not in source else "new_rows.csv"  # an address may hold a password
    say(f"  automl predict {version.name} {escape(rows)} -o predictions.csv{where}")
    say(f"  automl serve {version.name} --port 3000{where}")


def _record(result: FitResult) -> dict[str, object]:
    return {
        "model": result.version.name,
        "version": result.version.number,
        "aliases": list(result.version.aliases),
        "metric": result.model.card.metric,
        "scores": dict(result.model.card.scores),
        "folder": str(result.version.folder),
        "run": str(result.run_folder),
        "notes": list(result.notes),
        "leaderboard": [row.record() for row in result.leaderboard],
    }
