"""How long the dashboard's pages take over a store of 50 models and 5,000 checks.

    python -m benchmarks.monitoring.dashboard [--rows 300000] [--database URL]

The store is filled through the tables, since 5,000 real checks take an hour; the pages are the real ones, through the
real app. A page should take less than 300 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sqlalchemy import insert

from automl.store import Decision, Store, database
from automl_monitoring.dashboard.app import make_app

MODELS, CHECKS, COLUMNS, RETRAININGS = 50, 100, 20, 10
REPEATS = 9


def fill(store: Store, rows: int) -> None:
    """Models, checks with the measures of 20 columns, retrainings, and a log of so many rows over three days."""
    rng, now = np.random.default_rng(0), datetime.now(UTC)
    names = [f"model_{place:02}" for place in range(MODELS)]
    with store.engine.begin() as connection:
        for name in names:
            version = {"created": now, "task": "classify", "modality": "tabular", "metric": "roc_auc", "run": ""}
            connection.execute(insert(database.versions).values(name=name, number=1, score=0.8, note="", **version))
            connection.execute(insert(database.aliases).values(name=name, alias="champion", number=1))
        checks = [_check(name, place, rng, now) for place in range(CHECKS) for name in names]
        connection.execute(insert(database.checks), checks)
        for first in range(0, rows, 10_000):
            chosen = rng.integers(MODELS, size=min(10_000, rows - first))
            start = now - timedelta(days=3) * (1 - first / rows)
            logged = [_row(names[model], first + place, start) for place, model in enumerate(chosen)]
            connection.execute(insert(database.predictions), logged)
    for name in names:
        for _ in range(RETRAININGS):
            figures = {"metric": "roc_auc", "rows": 500, "champion": 0.8, "challenger": 0.83, "low": 0.01, "chance": 1}
            record = {
                "plan": {"champion": 1, "train_rows": 900},
                "challenger": 2,
                "parts": [{"name": "gain", "passed": True, "what": "better", "figures": figures}],
            }
            store.decisions.add(Decision(name, "gate", "promote", "better by more than noise", record))


def _check(name: str, place: int, rng: np.random.Generator, now: datetime) -> dict[str, Any]:
    verdict = str(rng.choice(["healthy", "healthy", "healthy", "watch", "act"]))
    score = {"name": "score", "value": 0.8, "column": "", "low": 0.78, "high": 0.82, "reference": 0.81}
    columns = [
        {"name": kind, "value": float(value), "column": f"column {column}", "low": None, "high": None, "reference": 0.0}
        for kind in ("drift", "usage", "missing")
        for column, value in enumerate(rng.random(COLUMNS))
    ]
    found = {"check": "drift", "verdict": "watch", "what": "column 1 moved", "rows": 1000, "columns": ["column 1"]}
    found |= {"size": 0.2, "p_value": 0.001, "cost": 0.01, "blocks": False}
    measures = [score, *columns]
    summary = {"reasons": ["column 1 moved"], "labelled": 500, "measures": measures, "findings": [found] * 4}
    values = {"name": name, "number": 1, "time": now - timedelta(hours=CHECKS - place), "last": place + 1}
    return {**values, "verdict": verdict, "rows": 1000, "summary": summary}


def _row(name: str, place: int, time_of: datetime) -> dict[str, Any]:
    features = {f"column {column}": column * 1.5 for column in range(COLUMNS)}
    values = {"id": f"{place:032x}", "time": time_of, "name": name, "number": 1, "features": features}
    return {**values, "prediction": "yes", "probabilities": {"yes": 0.7, "no": 0.3}, "role": "champion"}


async def measure(store: Store) -> dict[str, dict[str, int]]:
    """The milliseconds of each kind of page, asked for the first time and again."""
    newest = store.checks.recent("model_07", 1)[0].sequence
    transport, found = httpx.ASGITransport(app=make_app(store)), {}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for path in ("/", "/models/model_07", f"/models/model_07/checks/{newest}", "/metrics"):
            times = []
            for _ in range(REPEATS):
                begun = time.perf_counter()
                answer = await client.get(path)
                times.append(1000 * (time.perf_counter() - begun))
                answer.raise_for_status()
            median = round(statistics.median(times[1:]))
            found[path] = {"first_ms": round(times[0]), "median_ms": median, "bytes": len(answer.content)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--database", default=None, help="an SQLAlchemy URL; SQLite without it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), given.database)
        fill(store, given.rows)
        print(json.dumps({"rows": given.rows, "pages": asyncio.run(measure(store))}, indent=1))
        store.close()


if __name__ == "__main__":
    main()
