"""`automl serve`: parse, call, print."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from automl.cli.console import complain, say
from automl.cli.options import StoreOption, VersionOption
from automl_serving.key_commands import (
    CertificateOption,
    InFlightOption,
    KeysOption,
    PrivateDocsOption,
    PrivateKeyOption,
    RateOption,
)


class Engine(StrEnum):
    """What runs the workers of a server."""

    BENTO = "bento"
    PLAIN = "plain"


class LogFeatures(StrEnum):
    """What the prediction log keeps of a row's cells."""

    FULL = "full"
    HASHED = "hashed"
    NONE = "none"


NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The model's name; see `automl models`.")]


NamesArgument = Annotated[list[str], typer.Argument(metavar="NAME ...", help="One or several models' names.")]


def serve(
    names: NamesArgument,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all networks.")] = "127.0.0.1",
    version: VersionOption = "champion",
    store: StoreOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes, each with its own copy of the model.")] = 1,
    engine: Annotated[Engine, typer.Option(help="What runs the workers: BentoML, or uvicorn alone.")] = Engine.BENTO,
    keys: KeysOption = None,
    private_docs: PrivateDocsOption = False,
    rate: RateOption = "",
    max_in_flight: InFlightOption = 256,
    tls_cert: CertificateOption = "",
    tls_key: PrivateKeyOption = "",
    shadow: Annotated[
        bool, typer.Option("--shadow", help="The challenger answers each request too; only the log hears of it.")
    ] = False,
    canary: Annotated[
        float, typer.Option(min=0, max=1, help="Share of requests that the challenger answers, until it does worse.")
    ] = 0.0,
    admin: Annotated[bool, typer.Option("--admin", help="Let keys of scope admin move the champion.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse unknown fields and unseen levels.")] = False,
    max_rows: Annotated[int, typer.Option(min=1, help="Rows of one request.")] = 10_000,
    max_body_mb: Annotated[float, typer.Option(min=0.01, max=1_000, help="Size of one request.")] = 16.0,
    body_seconds: Annotated[float, typer.Option(min=0.1, help="In which a request's body must have come.")] = 30.0,
    log_features: Annotated[
        LogFeatures,
        typer.Option(help="Cells in the log: as they came, as keyed hashes, or none. Drift checks need full."),
    ] = LogFeatures.FULL,
    key_column: Annotated[
        str, typer.Option(metavar="COLUMN", help="The field of a row that names its subject, for labels by key.")
    ] = "",
) -> None:
    """Answer predictions over HTTP, log each one, and follow the champion without a restart."""
    import os

    from rich.markup import escape

    from automl.model.artifact import check_files
    from automl.model.logged import discretion
    from automl.store import Store
    from automl_serving.exposure import exposed_options
    from automl_serving.launch import free_address, run_server
    from automl_serving.settings import Options, Settings

    home = Store(store)
    chosen = [home.versions.find(name, version) for name in dict.fromkeys(names)]
    for each in chosen:
        check_files(each.folder)
    address = free_address(host, port)
    options = Options(
        private_docs=private_docs,
        rate=rate,
        max_in_flight=max_in_flight,
        tls_cert=tls_cert,
        tls_key=tls_key,
        shadow=shadow,
        canary=canary,
        admin=admin,
        strict=strict,
        max_rows=max_rows,
        max_body_mb=max_body_mb,
        body_seconds=body_seconds,
        log_features=log_features.value,
        key_column=key_column,
    )
    discretion(log_features.value, home.folder)  # its key is made here, where an error is one line
    options = exposed_options(options, keys, address[0], home.keys)
    home.close()
    url = f"http{'s' if tls_cert else ''}://{'127.0.0.1' if address[0] == '0.0.0.0' else address[0]}:{address[1]}"

    def announce() -> None:
        for each in chosen:
            place = url if len(chosen) == 1 else f"{url}/models/{each.name}"
            where = f"[bold]{place}[/]  (a form; Swagger: {place}/docs; Ctrl-C stops)"
            say(f"[bold]{each.name}[/] version {each.number} answers at {where}")
            say(escape(_curl(place, each.folder)))

    for each in chosen:
        if log_features is LogFeatures.FULL and (personal := _personal(each.folder)):
            say(escape(f"note: {each.name} learns from personal data ({personal}), which the log keeps as it comes;"))
            say("      --log-features hashed keeps hashes instead.")
    settings = Settings(
        names=tuple(each.name for each in chosen),
        which=version,
        store=str(home.folder),
        database=os.environ.get("AUTOML_DATABASE"),
        workers=workers,
        launcher=os.getpid(),
        engine=engine.value,
        options=options,
    )
    for each in chosen:
        say(f"Starting [bold]{each.name}[/] version {each.number} …")
    if not run_server(settings, address, announce):
        complain(f"The server of {', '.join(settings.names)} ended by itself or not well; the reason stands above.")
        raise typer.Exit(2)
    say("Stopped; every answered row is written.")


def rollback(
    name: NameArgument,
    why: Annotated[str, typer.Option(help="The reason, for the audit trail.")] = "rolled back by hand",
    store: StoreOption = None,
) -> None:
    """Make the previous champion the champion again, once its self-test passes. Endpoints follow by themselves."""
    from rich.markup import escape

    from automl.hooks import Event
    from automl.hooks import announce as tell
    from automl.model.artifact import load_model, verify_model
    from automl.store import Store

    home = Store(store)
    verify_model(load_model(home.versions.previous(name).folder))
    now, before = home.versions.roll_back(name, why)
    tell(Event("promoted", name, {"champion": before.number, "challenger": now.number, "by": "rollback", "why": why}))
    say(f"[bold green]Rolled back[/] {escape(name)} to version {now.number}; it was version {before.number}.")


def _personal(artifact: Path) -> str:
    """The columns with personal data that the model learns from, in words."""
    from automl.data.schema import Schema
    from automl.model.artifact import read_card

    used = {column.name for column in Schema.load(artifact / "schema.json").used}
    return ", ".join(name for name in read_card(artifact).private if name in used)


def _curl(url: str, artifact: Path) -> str:
    import json
    import shlex

    from automl.data.schema import Schema
    from automl.model.artifact import read_card, read_selftest
    from automl_serving.contract import make_contract

    schema, private = Schema.load(artifact / "schema.json"), read_card(artifact).private
    contract = make_contract(schema, read_selftest(artifact).columns, private)
    body = shlex.quote(json.dumps({"rows": [contract.example]}, ensure_ascii=False))
    return f"curl -s {url}/predict -H 'Content-Type: application/json' -d {body}"
