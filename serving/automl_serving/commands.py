"""`automl serve` and `automl package`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl.cli.console import complain, say
from automl.cli.options import StoreOption, VersionOption

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The model's name; see `automl models`.")]


def serve(
    name: NameArgument,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all networks.")] = "127.0.0.1",
    version: VersionOption = "champion",
    store: StoreOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes, each with its own copy of the model.")] = 1,
) -> None:
    """Answer predictions over HTTP, log each one, and follow the champion without a restart."""
    import os

    from rich.markup import escape

    from automl.model.artifact import check_files
    from automl.store import Store
    from automl_serving.launch import free_address, run_server
    from automl_serving.settings import Settings

    home = Store(store)
    chosen = home.versions.find(name, version)
    check_files(chosen.folder)
    home.close()
    address = free_address(host, port)
    url = f"http://{'127.0.0.1' if address[0] == '0.0.0.0' else address[0]}:{address[1]}"

    def announce() -> None:
        where = f"[bold]{url}[/]  (Swagger: {url}/docs; Ctrl-C stops)"
        say(f"[bold]{name}[/] version {chosen.number} answers at {where}")
        say(escape(_curl(url, chosen.folder)))

    settings = Settings(
        name=name,
        which=version,
        store=str(home.folder),
        database=os.environ.get("AUTOML_DATABASE"),
        workers=workers,
        launcher=os.getpid(),
    )
    say(f"Starting [bold]{name}[/] version {chosen.number} …")
    if not run_server(settings, address, announce):
        complain(f"The server of {name} ended by itself or not well; the reason stands above.")
        raise typer.Exit(2)
    say("Stopped; every answered row is written.")


def package(
    name: NameArgument,
    version: VersionOption = "champion",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FOLDER", show_default="NAME-bento", help="Where to put it."),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Build a Bento: the model with all it needs to be served without the store."""
    from automl.store import Store
    from automl_serving.package import build_bento

    chosen = Store(store).versions.find(name, version)
    folder = build_bento(chosen, output or Path(f"{name}-bento"))
    say(f"[bold]{name}[/] version {chosen.number} is packed in [bold]{folder}[/]")
    say(f"Serve it:  BENTOML_DO_NOT_TRACK=True bentoml serve {folder}")
    say("It writes its predictions to ./predictions.jsonl; AUTOML_LOG names another file, or off.")


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
