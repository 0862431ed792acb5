"""`automl package`, `automl export` and `automl client`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl.cli.console import say
from automl.cli.options import StoreOption, VersionOption

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The model's name; see `automl models`.")]


def package(
    name: NameArgument,
    version: VersionOption = "champion",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FOLDER", show_default="NAME-bento", help="Where to put it."),
    ] = None,
    container: Annotated[bool, typer.Option("--container", help="Write a Dockerfile into it.")] = False,
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help="Write a Dockerfile and manifests for Kubernetes into it.")
    ] = False,
    store: StoreOption = None,
) -> None:
    """Build a Bento: the model with all it needs to be served without the store."""
    from automl.store import Store
    from automl_serving.bento import service_name
    from automl_serving.package import Also, build_bento

    chosen = Store(store).versions.find(name, version)
    folder = build_bento(chosen, output or Path(f"{name}-bento"), Also(container or kubernetes, kubernetes))
    say(f"[bold]{name}[/] version {chosen.number} is packed in [bold]{folder}[/]")
    say(f"Serve it:  BENTOML_DO_NOT_TRACK=True bentoml serve {folder}")
    say("It writes its predictions to ./predictions.jsonl; AUTOML_LOG names another file, or off.")
    if container or kubernetes:
        say(f"Its image:  docker build -t {service_name(name)}:{chosen.number} {folder}")
    if kubernetes:
        say(f"On a cluster:  kubectl apply -f {folder / 'kubernetes.yaml'}")


def export(
    name: NameArgument,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="What to write: onnx.")] = "onnx",
    version: VersionOption = "champion",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", show_default="NAME.onnx", help="Where to put it."),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Write the model in a form that other runtimes read, checked to answer as it does here."""
    from automl.store import Store
    from automl_serving.onnx_export import check_format, export_onnx

    check_format(form)
    chosen = Store(store).versions.find(name, version)
    exported = export_onnx(chosen, output or Path(f"{name}.onnx"))
    say(f"[bold]{name}[/] version {chosen.number} is written to [bold]{exported.path}[/]")
    say(f"Checked on its {exported.rows} self-test rows: the answers differ by at most {exported.gap:.2g}.")


def client(
    name: NameArgument,
    version: VersionOption = "champion",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", show_default="NAME_client.py", help="Where to put it."),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Write a small typed Python client of the model's endpoint; it needs nothing but Python."""
    from automl.store import Store
    from automl_serving.client import module_name, write_client

    home = Store(store)
    chosen = home.versions.find(name, version)
    path = write_client(chosen, home.log, output or Path(f"{module_name(name)}.py"))
    say(f"The client of [bold]{name}[/] version {chosen.number} is written to [bold]{path}[/]")
    say(f"Use it:  from {path.stem} import Client; Client('http://127.0.0.1:3000').predict(row)")
