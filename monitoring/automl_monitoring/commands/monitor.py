"""`automl monitor`: the policy in force, the state of a watch, approving a retraining, computing decisions again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from automl.cli.console import make_table, print_json, say, store_given
from automl.cli.options import JsonOption, StoreOption
from automl_monitoring.commands import NameArgument
from automl_monitoring.commands.grafana import grafana
from automl_monitoring.commands.watch import PolicyOption

if TYPE_CHECKING:
    from automl_monitoring.watching.status import Status

EXIT_DIFFERS = 3


def group() -> typer.Typer:
    """The commands under `automl monitor`."""
    app = typer.Typer(
        no_args_is_help=True,
        help="The policy, the state and the decisions of a model's watch.",
        epilog="Example: automl monitor status telco_churn",
    )
    app.command(epilog="Example: automl monitor policy telco_churn > policy.toml")(policy)
    app.command(epilog="Example: automl monitor status telco_churn")(status)
    app.command(epilog="Example: automl monitor approve telco_churn")(approve)
    app.command(epilog="Example: automl monitor replay telco_churn")(replay)
    app.command(epilog="Example: automl monitor grafana > automl.json")(grafana)
    return app


def policy(
    name: NameArgument,
    write: Annotated[bool, typer.Option("--write", help="Put it into the store, as the model's own policy.")] = False,
    file: PolicyOption = None,
    store: StoreOption = None,
) -> None:
    """Print the policy in force for a model as TOML, every value with what it means."""
    from automl.store import Store
    from automl_monitoring.policy_file import as_toml, load_policy, write_policy

    home = Store(store)
    home.versions.of(name)
    chosen = load_policy(file, home, name)
    if not write:
        typer.echo(as_toml(chosen, name), nl=False)
        return
    say(f"Written: {escape(str(write_policy(home, name, chosen)))}")


def status(name: NameArgument, file: PolicyOption = None, store: StoreOption = None, json: JsonOption = False) -> None:
    """Show how a model is and what its watch does: state, newest check, retraining, lease, budget, alerts."""
    from automl.store import Store
    from automl_monitoring.policy_file import load_policy
    from automl_monitoring.watching.status import status_of

    home = Store(store)
    found = status_of(home, name, load_policy(file, home, name))
    if json:
        print_json(found.record())
    else:
        _show(found, store_given(store))


def _show(found: Status, where: str) -> None:
    name = escape(found.name)
    say(f"[bold]{name}[/] version {found.champion}: [bold]{found.state}[/]")
    if found.check is not None:
        say(f"  newest check: {found.check.sequence}, {found.check.verdict}, {found.check.time:%Y-%m-%d %H:%M} UTC")
    if found.job is not None:
        say(f"  newest retraining: job {found.job.sequence}, {found.job.stage}: {escape(found.job.why)}")
    watched = f"by {escape(found.watcher)}" if found.watcher else "by nobody"
    say(f"  watched {watched}; {found.today} retrainings left today, {found.this_month} within 30 days")
    if found.alerts:
        table = make_table("when (UTC)", "state", "why", "not sent by")
        for alert in found.alerts:
            failed = ", ".join(f"{channel}: {problem}" for channel, problem in alert.sent.items() if problem)
            table.add_row(f"{alert.time:%Y-%m-%d %H:%M:%S}", alert.state, escape(alert.why), escape(failed))
        from automl.cli.console import console

        console.print(table)
    if found.job is not None and found.job.stage == "asked":
        say(f"Next: [bold]automl monitor approve {name}{where}[/]")
    elif not found.watcher:
        say(f"Next: [bold]automl watch {name}{where}[/]")


def approve(
    name: NameArgument,
    deny: Annotated[bool, typer.Option("--deny", help="Say no: the champion stays.")] = False,
    why: Annotated[str, typer.Option(help="The reason, for the audit trail.")] = "",
    store: StoreOption = None,
) -> None:
    """Say yes (or no) to the retraining that the watch asks for, where the policy says `approval = "ask"`."""
    from automl.store import Store
    from automl_monitoring.watching.approval import answer

    job = answer(Store(store), name, not deny, why)
    if deny:
        say(f"Job {job.sequence} of [bold]{escape(name)}[/] is denied: the champion stays.")
    else:
        say(f"Job {job.sequence} of [bold]{escape(name)}[/] is approved: its watch begins it.")


def replay(
    name: NameArgument,
    decision: Annotated[int | None, typer.Option(min=1, help="Only this one, by its number.")] = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Compute a model's decisions again from what is stored, and say what differs (exit code 3)."""
    from automl.store import Store
    from automl_monitoring.replay import replay as run

    found = run(Store(store), name, decision)
    if json:
        print_json([_record(each) for each in found])
    else:
        for each in found:
            said = "the same again" if each.equal else "; ".join(each.differences)
            say(f"{each.sequence}  {each.time:%Y-%m-%d %H:%M:%S}  {each.kind}: [bold]{each.outcome}[/]  {escape(said)}")
    if not all(each.equal for each in found):
        raise typer.Exit(EXIT_DIFFERS)


def _record(replayed: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(replayed), "time": replayed.time.isoformat(), "equal": replayed.equal}
