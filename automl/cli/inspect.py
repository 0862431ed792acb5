"""`automl inspect`: what is in the data, before anything is learned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from automl.cli.console import console, make_table, print_json, say
from automl.cli.fit import columns_asked
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
    WeightOption,
)
from automl.cli.predict import check_output

if TYPE_CHECKING:
    from automl.data.schema_file import SchemaFile
    from automl.inspection.findings import Finding
    from automl.inspection.inspect import Inspection
    from automl.inspection.profile import ColumnProfile

SHOWN_COLUMNS = 40
SHOWN_FINDINGS = {"problem": 20, "warning": 12, "note": 10}
STYLES = {"problem": "bold red", "warning": "yellow", "note": "cyan"}

EPILOG = "Example: automl inspect telco_churn.csv --target Churn --html telco_churn.html"


def add(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("inspect", epilog=EPILOG)(inspect)


def inspect(
    source: Annotated[str, typer.Argument(metavar="DATA", help="Whatever `automl fit` takes.")],
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column to predict; guessed if left out.")
    ] = None,
    task: Annotated[str | None, typer.Option(metavar="TASK", help="classify or regress; inferred if left out.")] = None,
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
    weight: WeightOption = None,
    split: SplitOption = None,
    probes: Annotated[
        bool, typer.Option("--probes/--no-probes", help="Also run the checks that train something (up to a minute).")
    ] = True,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the long report, with pictures.")
    ] = None,
    write_schema: Annotated[
        Path | None,
        typer.Option("--write-schema", metavar="FILE", help="Write what the columns are taken for, to edit."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of what is drawn at random.")] = 0,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is in a source: kinds of columns, quality, personal data, leaks, how to split it."""
    from automl.data.reading import Wanted
    from automl.data.roles import Roles
    from automl.hooks import read_source
    from automl.inspection.inspect import PROBE_SECONDS, InspectRequest, inspect_table

    for path in (html, write_schema):
        if path is not None:
            check_output(path)
    del store  # every command takes it; nothing is kept of an inspection
    roles = Roles(tuple(exclude or ()), tuple(sensitive or ()), use_sensitive, group, time_column, weight)
    said = columns_asked(schema, target, task, types, roles, split)
    found = inspect_table(
        read_source(source, Wanted(query, table, sheet)),
        InspectRequest(
            said.target, said.task, said.kinds, said.roles, said.split, seed, PROBE_SECONDS if probes else 0.0
        ),
    )
    written = _write(found, said, html, write_schema)
    if as_json:
        print_json(found.record())
        return
    _show(found)
    for path in written:
        say(f"wrote {escape(str(path))}")


def _write(found: Inspection, said: SchemaFile, html: Path | None, schema: Path | None) -> list[Path]:
    """Write the files that were asked for."""
    from automl.data.schema_file import SchemaFile, write_schema_file

    if html is not None:
        from automl.report.inspection_page import write_page

        write_page(html, found)
    if schema is not None:
        goal = found.schema
        known = SchemaFile(goal.target, goal.task) if goal else SchemaFile()
        write_schema_file(schema, found.columns, said.overruled_by(known), found.examination.private)
    return [path for path in (html, schema) if path is not None]


def _show(found: Inspection) -> None:
    schema = found.schema
    goal = ""
    if schema is not None:
        classes = f", {len(schema.classes):,} classes" if schema.task == "classify" else ""
        goal = f" · {schema.task} {escape(schema.target)}{classes}"
    say(f"[bold]{escape(found.name)}[/] · {found.rows:,} rows · {len(found.profiles):,} columns{goal}\n")
    console.print(_columns_table(found.profiles[:SHOWN_COLUMNS], found.examination.private))
    if len(found.profiles) > SHOWN_COLUMNS:
        say(f"… and {len(found.profiles) - SHOWN_COLUMNS:,} more columns: --html FILE shows all")
    say()
    for severity, most in SHOWN_FINDINGS.items():
        _show_findings([finding for finding in found.findings if finding.severity == severity], most)
    if not found.findings:
        say("Nothing stands out.")


def _columns_table(profiles: Sequence[ColumnProfile], private: frozenset[str]) -> object:
    table = make_table("column", "kind", "missing", "values", "", numbers=("missing",))
    for profile in profiles:
        missing = f"{profile.missing:,}" if profile.missing else ""
        cells = (profile.name, profile.kind, missing, profile.values_text(), _remark(profile, private))
        table.add_row(*(escape(cell) for cell in cells), style="dim" if profile.kind == "ignored" else "")
    return table


def _remark(profile: ColumnProfile, private: frozenset[str]) -> str:
    remarks = ["target"] * profile.is_target
    remarks += ["personal data"] * (profile.name in private)
    remarks += [f"{profile.unread:,} unreadable"] * bool(profile.unread)
    remarks += [profile.reason] * bool(profile.reason)
    return ", ".join(remarks)


def _show_findings(findings: Sequence[Finding], most: int) -> None:
    for finding in findings[:most]:
        style = STYLES[finding.severity]
        console.print(f"[{style}]{finding.severity:<8}[/] {escape(finding.line)}")
    if len(findings) > most:
        more = len(findings) - most
        say(f"… and {more:,} more {findings[0].severity}{'s' * (more > 1)}: --html FILE or --json shows all")
