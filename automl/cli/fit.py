"""`automl fit`: from a file to a registered model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import time as clock
from typing import TYPE_CHECKING, Annotated

import typer

from automl.cli.console import complain, only_we_print
from automl.cli.limits import limits_asked
from automl.cli.options import (
    COLUMNS,
    MODEL,
    AllowDownloadOption,
    AugmentOption,
    BalanceOption,
    DropLeaksOption,
    EventsOption,
    ExcludeOption,
    GroupOption,
    MaxLatencyOption,
    MaxSizeOption,
    MaxTrialsOption,
    MemoryOption,
    NoReferenceRowsOption,
    OnlyOption,
    PreferOption,
    PretrainedOption,
    QueryOption,
    QuietOption,
    RefitOption,
    ResumeOption,
    SchemaOption,
    SeedOption,
    SensitiveOption,
    SheetOption,
    SplitOption,
    StoreOption,
    TableOption,
    TimeColumnOption,
    TimeOption,
    TrialsOption,
    TypesOption,
    UseSensitiveOption,
    WeightOption,
    WorkersOption,
)

if TYPE_CHECKING:
    from automl.data.roles import Roles
    from automl.data.schema_file import SchemaFile

STARTED: float | None = None

EPILOG = "Example: automl fit telco_churn.csv --target Churn --time 60s --max-latency 5ms"


def add(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("fit", epilog=EPILOG)(fit)


def fit(
    source: Annotated[
        str, typer.Argument(metavar="DATA", help="A file, folder, glob (quoted), database or web address.")
    ],
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column to predict.", rich_help_panel=COLUMNS)
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="classify or regress; inferred if left out.", rich_help_panel=COLUMNS),
    ] = None,
    time: TimeOption = None,
    max_trials: MaxTrialsOption = None,
    trials: TrialsOption = None,
    workers: WorkersOption = None,
    memory: MemoryOption = None,
    seed: SeedOption = 0,
    resume: ResumeOption = False,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="METRIC",
            help="What to optimise: roc_auc, log_loss, accuracy, f1, rmse, mae …",
            rich_help_panel=MODEL,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The model's name; the file's stem if left out.", rich_help_panel=MODEL),
    ] = None,
    modality: Annotated[
        str | None,
        typer.Option(
            metavar="PLUGIN",
            help="The task plugin: tabular, image, text; matched if left out.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    only: OnlyOption = None,
    prefer: PreferOption = "best",
    max_latency: MaxLatencyOption = None,
    max_size: MaxSizeOption = None,
    refit: RefitOption = None,
    balance: BalanceOption = "none",
    augment: AugmentOption = False,
    weights: PretrainedOption = None,
    allow_download: AllowDownloadOption = False,
    no_reference_rows: NoReferenceRowsOption = False,
    types: TypesOption = None,
    schema: SchemaOption = None,
    exclude: ExcludeOption = None,
    sensitive: SensitiveOption = None,
    use_sensitive: UseSensitiveOption = False,
    drop_leaks: DropLeaksOption = False,
    query: QueryOption = None,
    table: TableOption = None,
    sheet: SheetOption = None,
    group: GroupOption = None,
    time_column: TimeColumnOption = None,
    weight: WeightOption = None,
    split: SplitOption = None,
    store: StoreOption = None,
    quiet: QuietOption = False,
    as_json: EventsOption = False,
) -> None:
    """Search, combine and register the best model for a file within a time budget."""
    from automl.cli.progress_view import open_view

    limits = limits_asked(
        time, trials if max_trials is None else max_trials, workers, memory, prefer, max_latency, max_size
    )
    view = open_view(limits.seconds, limits.max_trials, STARTED or clock(), as_json=as_json, quiet=quiet)
    try:
        with only_we_print(), view:
            from automl.data.reading import Wanted
            from automl.data.roles import Roles
            from automl.engine import FitRequest, fit_source
            from automl.store import Store

            roles = Roles(tuple(exclude or ()), tuple(sensitive or ()), use_sensitive, group, time_column, weight)
            said = columns_asked(schema, target, task, types, roles, split)
            request = FitRequest(
                target=said.target,
                task=said.task,
                seconds=limits.seconds,
                metric=metric,
                name=name,
                seed=seed,
                modality=modality,
                kinds=said.kinds,
                max_trials=limits.max_trials,
                resume=resume,
                started=STARTED,
                roles=said.roles,
                split=said.split,
                drop_leaks=drop_leaks,
                balance=balance,
                augment=augment,
                reference_rows=not no_reference_rows,
                workers=limits.workers,
                memory=limits.memory,
                prefer=limits.prefer,
                max_latency_ms=limits.max_latency_ms,
                max_bytes=limits.max_bytes,
                refit=refit,
                weights=tuple(weights or ()),
                allow_download=allow_download,
                only=tuple(only or ()),
            )
            result = fit_source(source, request, Store(store), view, Wanted(query, table, sheet), view.ask_about_leaks)
    except KeyboardInterrupt:
        complain("Stopped. Every finished trial is kept: the same command goes on from here.")
        raise typer.Exit(130) from None
    from automl.cli.outcome import print_outcome, print_outcome_line

    if as_json:
        print_outcome_line(result)
    else:
        print_outcome(result, source, store)


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
