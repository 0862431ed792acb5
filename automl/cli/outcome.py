"""What a fit says when it has ended: what was tried, what was kept, where the time went, what would help next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.text import Text

from automl.cli.console import console, make_table, print_json_line, say, say_long, score_text, store_given

if TYPE_CHECKING:
    from automl.engine import FitResult
    from automl.model.leaderboard import LeaderboardRow
    from automl.report.account import Account

SHOWN_ROWS = 8
WIDE = 80  # columns that the whole leaderboard needs
TIE = "="
HONEST = {  # scores of rows that had no part in what is scored
    "holdout": "on the holdout that no decision saw",
    "nested": "with the members chosen on other rows",
}


def print_outcome(result: FitResult, source: str, store: Path | None) -> None:
    """The result for people, ending with what to type next."""
    from automl.report.account import ledger_lines

    version, account = result.version, result.account
    if result.leaderboard:
        say("\n[bold]Leaderboard[/], out-of-fold")
        _print_leaderboard(result)
    if account.choices:
        say("\n[bold]Choices[/]")
        _print_choices(account, result.model.card.metric)
    say(
        f"\n[bold]{version.name} version {version.number}[/]"
        + (" is the champion" if "champion" in version.aliases else "")
    )
    _print_scores(result)
    say(f"model   {escape(str(version.folder))}")
    say(f"report  {escape(str(result.run_folder / 'report.html'))}")
    if account.ledger is not None:
        say("\n[bold]Where the time went[/]")
        for line in ledger_lines(account.ledger):
            say_long(line)
    if account.advice:
        say("\n[bold]What the search shows[/]")
        for line in account.advice:
            say_long(f"- {line}")
    _print_next(result, source, store)


def print_outcome_line(result: FitResult) -> None:
    """The result as the last line for machines."""
    account = result.account
    print_json_line(
        {
            "event": "result",
            "model": result.version.name,
            "version": result.version.number,
            "aliases": list(result.version.aliases),
            "metric": result.model.card.metric,
            "scores": dict(result.model.card.scores),
            "folder": str(result.version.folder),
            "run": str(result.run_folder),
            "notes": list(result.notes),
            "leaderboard": [row.record() for row in result.leaderboard],
            "choices": [choice.record() | {"taken": choice.name == account.taken} for choice in account.choices],
            "ledger": None if account.ledger is None else account.ledger.record(),
            "advice": list(account.advice),
            "trainings": [each.summary() for each in account.trainings],
            "suspects": None if account.suspects is None else account.suspects.record(),
        }
    )


def leaderboard_table(rows: Sequence[LeaderboardRow], metric: str, shown: int = SHOWN_ROWS) -> object:
    """The best trials as a table that fits the terminal; only what was measured has a column."""
    wide = console.width >= WIDE
    trained = wide and any(math.isfinite(row.train_score) for row in rows)
    asked = any(row.row_ms > 0 for row in rows)
    ties = _has_ties(rows)
    headers = ["#", "architecture", metric, "± folds", *["train"] * trained, "weight", *["fit s"] * wide]
    headers += [*(["ms", "MB"] if asked else ["ms/row"]), *["trial"] * wide]
    table = make_table(*headers, numbers=tuple({*headers} - {"architecture"}))
    for row in rows[:shown]:
        cells = [f"{row.rank}{TIE if row.tie and ties else ' '}", row.architecture, score_text(row.score)]
        cells += [f"{row.spread:.2g}" if math.isfinite(row.spread) else ""]
        cells += [score_text(row.train_score) if math.isfinite(row.train_score) else ""] * trained
        cells += [f"{row.weight:.2f}" if row.weight else "–", *[f"{row.seconds:.1f}"] * wide]
        cells += [f"{row.row_ms:.2f}", f"{row.mb:.1f}"] if asked else [f"{row.predict_ms_per_row:.3f}"]
        table.add_row(*cells, *[str(row.trial)] * wide)
    return table


def _print_leaderboard(result: FitResult) -> None:
    rows = result.leaderboard
    console.print(leaderboard_table(rows, result.model.card.metric))
    if _has_ties(rows[:SHOWN_ROWS]):
        say(f"{TIE} a tie: what parts it from the best is no more than chance")
    if len(rows) > SHOWN_ROWS:
        say(f"… and {len(rows) - SHOWN_ROWS} more: automl leaderboard {result.version.name}")


def _has_ties(rows: Sequence[LeaderboardRow]) -> bool:
    """The best row is a tie with itself; are there others?"""
    return sum(row.tie for row in rows) > 1


def _print_choices(account: Account, metric: str) -> None:
    table = make_table("", metric, "ms a row", "MB", "", numbers=(metric, "ms a row", "MB"))
    for choice in account.different:
        names = account.names_of(choice)
        taken = account.taken in names
        cells = (score_text(choice.score), f"{choice.row_ms:.2f}", f"{choice.bytes / 1e6:.1f}")
        table.add_row(", ".join(names), *cells, "taken" if taken else "", style="bold" if taken else "")
    console.print(table)
    if account.others:
        say(f"another one: the same command with --prefer {' or '.join(account.others)}")


def _print_scores(result: FitResult) -> None:
    card = result.model.card
    for note in card.notes:
        say_long(Text.assemble(("note", "yellow"), "  ", note))
    if "out_of_fold" in card.scores:
        say(f"{card.metric} of the ensemble, out-of-fold: {score_text(card.scores['out_of_fold'])}")
    for name, where in HONEST.items():
        if name in card.scores:
            between = "95% interval unknown"
            if f"{name}_low" in card.scores:
                low, high = card.scores[f"{name}_low"], card.scores[f"{name}_high"]
                between = f"95% interval {low:.4g} to {high:.4g}"
            say(f"{card.metric} {where}: [bold]{score_text(card.scores[name])}[/] ({between})")


def _print_next(result: FitResult, source: str, store: Path | None) -> None:
    version, where = result.version, store_given(store)
    say("\n[bold]Next[/]")
    if "champion" not in version.aliases:
        say(f"  automl promote {version.name} {version.number} --why TEXT{where}    # till then the old one answers")
        where = f" --version {version.number}{where}"
    rows = source if "://" not in source else "new_rows.csv"  # an address may hold a password
    say(f"  automl predict {version.name} {escape(rows)} -o predictions.csv{where}")
    say(f"  automl serve {version.name} --port 3000{where}")
