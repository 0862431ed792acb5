"""What the challenger costs: the time of one row and the bytes of its artifact, beside the champion's."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from automl.model.model import Model
from automl_monitoring.gate.contest import Contest
from automl_monitoring.gate.part import Part
from automl_monitoring.policy import GatePolicy

ROW_TIMES = 15
WARM = 3


def latency(contest: Contest, policy: GatePolicy) -> Part:
    """One row, warm, both models in turn: at most `latency_factor` times the champion's time, or `latency_ms`.

    The quickest of several turns counts: what else the machine does makes times longer, never shorter.
    """
    rows = [{str(name): cell for name, cell in row.items()} for row in contest.frame.head(ROW_TIMES).to_dict("records")]
    models = (contest.champion, contest.challenger)
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(WARM + ROW_TIMES):
        row = rows[turn % len(rows)]
        for model, own in zip(models, times, strict=True):
            own.append(_milliseconds(model, row))
    return judge_latency(min(times[0][WARM:]), min(times[1][WARM:]), policy)


def judge_latency(champion_ms: float, challenger_ms: float, policy: GatePolicy) -> Part:
    """The part, from the measured milliseconds."""
    allowed = max(policy.latency_factor * champion_ms, policy.latency_ms)
    passed = challenger_ms <= allowed
    what = f"a row takes {challenger_ms:.1f} ms, the champion {champion_ms:.1f} ms; {allowed:.1f} ms are allowed"
    figures = {"champion_ms": champion_ms, "challenger_ms": challenger_ms}
    return Part("latency", passed, what if passed else f"too slow: {what}", figures, measured=True)


def size(contest: Contest, policy: GatePolicy) -> Part:
    """At most `size_factor` times the champion's bytes, or `size_mb`."""
    ours, theirs = _bytes(contest.champion.folder), _bytes(contest.challenger.folder)
    allowed = max(policy.size_factor * ours, 1e6 * policy.size_mb)
    passed = theirs <= allowed
    what = f"{theirs / 1e6:.1f} MB, the champion {ours / 1e6:.1f} MB; {allowed / 1e6:.1f} MB are allowed"
    figures = {"champion_bytes": float(ours), "challenger_bytes": float(theirs)}
    return Part("size", passed, what if passed else f"too large: {what}", figures)


def _milliseconds(model: Model, row: dict[str, Any]) -> float:
    began = time.perf_counter()
    model.answer([row])
    return 1000 * (time.perf_counter() - began)


def _bytes(folder: Path | None) -> int:
    return 0 if folder is None else sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
