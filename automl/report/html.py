"""The report of a run as one self-contained HTML page: no script, nothing fetched."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from automl.data.dataset import describe_number
from automl.data.schema import Column
from automl.model.leaderboard import LeaderboardRow
from automl.model.model import Card, Model
from automl.report.account import Account, ledger_lines
from automl.report.curves import CURVES_STYLE, curves
from automl.report.labels import labels
from automl.search.ledger import Ledger

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430 }
h1 { margin-bottom: 0 } h2 { margin-top: 2.2rem; border-bottom: 1px solid #d8dee6 }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .25rem .8rem .25rem 0 }
th { border-bottom: 1px solid #d8dee6; font-weight: 600 } .n { text-align: right; font-variant-numeric: tabular-nums }
td.n { white-space: nowrap }
.big { font-size: 2rem; font-weight: 650 } .soft { color: #66707d }
.narrow { width: auto }
.bar { background: #3b6fb6; height: .6rem; border-radius: 2px }
@media (prefers-color-scheme: dark) { body { background: #14181e; color: #dfe5ec } th, h2 { border-color: #39424e } }
"""


def write_report(
    path: Path,
    model: Model,
    leaderboard: Sequence[LeaderboardRow],
    notes: Sequence[str],
    account: Account,
) -> None:
    """Write the page: scores, advice, decisions, choices, leaderboard, training curves, doubted labels, groups of
    sensitive columns, columns, time.

    No cell of a private column (see `Card`) is shown, and none of a text.
    """
    card, schema, doubted = model.card, model.schema, account.suspects
    sections = [
        f"<h1>{escape(card.name)}</h1>",
        f'<p class="soft">{schema.task} {escape(schema.target)} · {card.rows:,} rows · {escape(card.created)}</p>',
        _scores(card),
        *(["<h2>What the search shows</h2>" + _list(account.advice)] if account.advice else []),
        "<h2>What was decided</h2>" + _list([*notes, *card.notes]),
        *(["<h2>Choices</h2>" + _choices(account, card.metric)] if account.choices else []),
        "<h2>Leaderboard</h2>" + _leaderboard(leaderboard, card.metric),
        *(["<h2>Training</h2>" + curves(account.trainings, card.metric)] if account.trainings else []),
        *(["<h2>Labels to look at</h2>" + labels(doubted)] if doubted and doubted.count else []),
        *("<h2>Groups of " + escape(figures["column"]) + "</h2>" + _groups(figures) for figures in card.fairness),
        "<h2>Columns</h2>" + _columns(schema.columns, card.private),
        *(["<h2>Where the time went</h2>" + _time(account.ledger)] if account.ledger else []),
        f'<h2>Data</h2><p class="soft">SHA-256 of the cells: {escape(card.fingerprint)}</p>',
    ]
    body = "\n".join(sections)
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(card.name)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}{CURVES_STYLE}</style></head>'
        f"<body>{body}</body></html>"
    )
    path.write_text(page, encoding="utf-8")


def _scores(card: Card) -> str:
    said = {
        "holdout": "on the holdout that no decision saw",
        "nested": "with the members chosen on other rows",
        "out_of_fold": "of the ensemble, out-of-fold (what the search chose by)",
    }
    for name in ("holdout", "nested"):
        if f"{name}_low" in card.scores:
            between = f"{card.scores[f'{name}_low']:.4g} to {card.scores[f'{name}_high']:.4g}"
            said[name] += f", 95% interval {between}"
    parts = [
        f'<p><span class="big">{card.scores[name]:.5g}</span> {escape(card.metric)} {text}</p>'
        for name, text in said.items()
        if name in card.scores
    ]
    return "".join(parts)


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def _leaderboard(rows: Sequence[LeaderboardRow], metric: str) -> str:
    if not rows:
        return "<p>No trial finished; the model answers the best constant.</p>"
    ties = sum(row.tie for row in rows) > 1
    header = f'<th class="n">#</th><th>architecture</th><th class="n">{escape(metric)}</th><th class="n">± folds</th>'
    header += '<th class="n">train</th><th>weight</th><th class="n">fit s</th><th class="n">one row, ms</th>'
    header += '<th class="n">MB</th><th>parameters</th>'
    lines = []
    for row in rows:
        parameters = ", ".join(f"{name} {_short(value)}" for name, value in row.parameters.items())
        figures = (row.seconds, row.row_ms, row.mb)
        lines.append(
            f'<tr><td class="n">{row.rank}{" =" if ties and row.tie else ""}</td><td>{escape(row.architecture)}</td>'
            f'<td class="n">{row.score:#.5g}</td><td class="n">{_known(row.spread, ".2g")}</td>'
            f'<td class="n">{_known(row.train_score, "#.5g")}</td>'
            f'<td><div class="bar" style="width:{row.weight * 6:.2f}rem" title="{row.weight:.2f}"></div></td>'
            + "".join(f'<td class="n">{value:.2f}</td>' for value in figures)
            + f'<td class="soft">{escape(parameters)}</td></tr>'
        )
    legend = '<p class="soft">= a tie: what parts it from the best is no more than chance</p>' if ties else ""
    return f"<table><tr>{header}</tr>{''.join(lines)}</table>{legend}"


def _known(value: float, form: str) -> str:
    return f"{value:{form}}" if math.isfinite(value) else ""


def _choices(account: Account, metric: str) -> str:
    header = f'<th></th><th class="n">{escape(metric)}</th><th class="n">one row, ms</th><th class="n">MB</th><th></th>'
    lines = []
    for choice in account.different:
        names = account.names_of(choice)
        figures = (f"{choice.score:#.5g}", f"{choice.row_ms:.2f}", f"{choice.bytes / 1e6:.1f}")
        cells = "".join(f'<td class="n">{figure}</td>' for figure in figures)
        taken = "taken" if account.taken in names else ""
        lines.append(f"<tr><td>{', '.join(names)}</td>{cells}<td>{taken}</td></tr>")
    return f"<table class='narrow'><tr>{header}</tr>{''.join(lines)}</table>"


def _time(ledger: Ledger) -> str:
    """The stages as bars on one scale, then the lines that the terminal prints."""
    whole = sum(seconds for _, seconds in ledger.stages) or 1.0
    lines = [
        f'<tr><td>{escape(stage)}</td><td class="n">{seconds:.1f} s</td>'
        f'<td><div class="bar" style="width:{seconds / whole * 30:.2f}rem"></div></td></tr>'
        for stage, seconds in ledger.stages
    ]
    said = "".join(f'<p class="soft">{escape(line)}</p>' for line in ledger_lines(ledger)[1:])
    return f'<table class="narrow">{"".join(lines)}</table>{said}'


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _groups(figures: Mapping[str, Any]) -> str:
    """How each group of a sensitive column is answered, beside what is true of it (see automl.model.fairness)."""
    names = figures["classes"][-1:] if len(figures["classes"]) == 2 else figures["classes"] or ["mean"]
    header = f'<th>group</th><th class="n">rows</th><th class="n">{escape(figures["metric"])}</th>'
    header += "".join(f'<th class="n">answered {escape(name)}</th><th class="n">true</th>' for name in names)
    lines = []
    for group in figures["groups"]:
        pairs = list(zip(group["answered"], group["true"], strict=True))[-len(names) :]
        score = "" if group["score"] is None else f"{group['score']:.4g}"
        shown = [f"{value:.1%}" if figures["classes"] else describe_number(value) for pair in pairs for value in pair]
        cells = "".join(f'<td class="n">{value}</td>' for value in (f"{group['rows']:,}", score, *shown))
        lines.append(f"<tr><td>{escape(group['group'])}</td>{cells}</tr>")
    return f"<table><tr>{header}</tr>{''.join(lines)}</table>"


def _columns(columns: Sequence[Column], private: Collection[str]) -> str:
    lines = [
        f"<tr><td>{escape(column.name)}</td><td>{column.kind}</td><td>{'yes' if column.nullable else ''}</td>"
        f'<td class="soft">{escape("personal data" if column.name in private else _describe(column))}</td></tr>'
        for column in columns
    ]
    return f"<table><tr><th>column</th><th>kind</th><th>missing</th><th>seen</th></tr>{''.join(lines)}</table>"


def _describe(column: Column) -> str:
    if column.kind == "ignored":
        return column.reason
    if column.levels:
        shown = ", ".join(column.levels[:6])
        return shown + (f" and {len(column.levels) - 6:,} more" if len(column.levels) > 6 else "")
    if column.kind == "number" and column.minimum is not None and column.maximum is not None:
        return f"{describe_number(column.minimum)} to {describe_number(column.maximum)}"
    return "" if column.kind == "text" else str(column.example or "")
