"""`automl keys`: issue, list, replace and revoke the keys of clients. The options of `automl serve` about them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from automl.cli.console import console, make_table, print_json, problems, say
from automl.cli.options import JsonOption, StoreOption

if TYPE_CHECKING:
    from automl.store.keys import IssuedKey

ACCESS = "Access"

KeysOption = Annotated[
    bool | None,
    typer.Option(
        "--keys/--no-keys",
        show_default="only where others than this machine can reach it",
        help="Ask clients for a key; see `automl keys`.",
        rich_help_panel=ACCESS,
    ),
]
PrivateDocsOption = Annotated[
    bool,
    typer.Option("--private-docs", help="Ask for a key on the pages and the schema too.", rich_help_panel=ACCESS),
]
RateOption = Annotated[
    str,
    typer.Option(
        metavar="RATE",
        show_default="no bound",
        help="Requests of all clients without a key together: 100/s, 600/m. Keys have rates of their own.",
        rich_help_panel=ACCESS,
    ),
]
InFlightOption = Annotated[
    int,
    typer.Option(min=1, help="Requests at once in each worker; more are answered 503.", rich_help_panel=ACCESS),
]
CertificateOption = Annotated[
    str, typer.Option(metavar="FILE", show_default="plain HTTP", help="PEM certificate.", rich_help_panel=ACCESS)
]
PrivateKeyOption = Annotated[
    str,
    typer.Option(metavar="FILE", show_default=False, help="PEM key of the certificate.", rich_help_panel=ACCESS),
]

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The key's name, like the client that uses it.")]


def add(app: typer.Typer) -> None:
    """Add the group to the application."""
    group = typer.Typer(
        help="The keys that clients show to an endpoint.",
        epilog="Example: automl keys create website --scope predict",
        no_args_is_help=True,
    )
    group.command(epilog="Example: automl keys create website --scope predict --rate 100/s")(create)
    group.command("list", epilog="Example: automl keys list --json")(list_keys)
    group.command(epilog="Example: automl keys rotate website --overlap 24h")(rotate)
    group.command(epilog="Example: automl keys revoke website")(revoke)
    group.command(epilog="Example: automl keys export > keys.json")(export)
    app.add_typer(group, name="keys")


def create(
    name: NameArgument,
    scope: Annotated[
        list[str],
        typer.Option(metavar="SCOPE", help="What it opens: predict (and explain), feedback, admin; may be repeated."),
    ],
    rate: Annotated[
        str, typer.Option(metavar="RATE", show_default="no bound", help="Most requests: 100/s, 600/m, 5000/h.")
    ] = "",
    expires: Annotated[
        str | None, typer.Option(metavar="DURATION", show_default="never", help="How long it is valid: 90d, 12h.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Issue a key and show it, this once."""
    from datetime import timedelta

    from automl.search.budget import parse_duration
    from automl.store import Store
    from automl_serving.rates import Rate

    if rate:
        Rate.parse(rate)
    lifetime = None if expires is None else timedelta(seconds=parse_duration(expires))
    _show(Store(store).keys.create(name, scope, rate.replace(" ", ""), lifetime))


def rotate(
    name: NameArgument,
    overlap: Annotated[
        str, typer.Option(metavar="DURATION", help="How long the old key stays valid beside the new one; 0 for not.")
    ] = "1h",
    store: StoreOption = None,
) -> None:
    """Issue a new key in place of the old one, which stays valid for a while. No server restarts."""
    from datetime import timedelta

    from automl.search.budget import parse_duration
    from automl.store import Store

    seconds = 0.0 if overlap.strip() in ("0", "0s") else parse_duration(overlap)
    _show(Store(store).keys.rotate(name, timedelta(seconds=seconds)))
    _add(f"The old key is valid for another {overlap}." if seconds else "The old key is not valid any more.")


def revoke(name: NameArgument, store: StoreOption = None) -> None:
    """End a key for good; running servers know within about a second."""
    from automl.store import Store

    count = Store(store).keys.revoke(name)
    say(f"[bold]{escape(name)}[/] is revoked{f': {count} keys' if count > 1 else ''}.")


def list_keys(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List every key there ever was; the keys themselves are not kept."""
    from datetime import UTC, datetime

    from automl.store import Store

    now = datetime.now(UTC)
    found = Store(store).keys.all()
    if as_json:
        fields = ("prefix", "name", "scopes", "rate", "created", "expires", "revoked")
        print_json([{**{field: getattr(key, field) for field in fields}, "state": key.state(now)} for key in found])
        return
    if not found:
        say("There is no key yet. Begin with: automl keys create NAME --scope predict")
        return
    table = make_table("name", "key", "scopes", "rate", "created (UTC)", "expires (UTC)", "state")
    for key in found:
        ends = f"{key.expires:%Y-%m-%d %H:%M}" if key.expires else "never"
        begun = f"{key.created:%Y-%m-%d %H:%M}"
        table.add_row(key.name, f"{key.prefix}…", " ".join(key.scopes), key.rate or "–", begun, ends, key.state(now))
    console.print(table)


def export(store: StoreOption = None) -> None:
    """Print the valid keys, as digests, for a server without this store: a Bento reads the file AUTOML_KEYS."""
    from automl.store import Store
    from automl_serving.keys import key_record

    print_json([key_record(key) for key in Store(store).keys.valid()])


def _show(issued: IssuedKey) -> None:
    """The key alone on the standard output, where a script can take it; the words about it on the standard error."""
    sys.stdout.write(issued.text + "\n")
    sys.stdout.flush()
    opens = ", ".join(issued.key.scopes)
    _add(f"The key {issued.key.name!r} for {opens}. It is shown this once: keep it where secrets are kept.")


def _add(words: str) -> None:
    problems.print(words, markup=False)
