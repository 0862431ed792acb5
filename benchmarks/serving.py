"""What a request costs: our endpoint beside one written by hand, BentoML's floor and MLflow, in one run.

    python benchmarks/serving.py
    python benchmarks/serving.py --mlflow-python VENV/bin/python    # a Python with mlflow and xgboost

The same XGBoost of 300 trees on the example data, one row per request, with validation and, for ours only, the
prediction log. All servers run at once with one worker each and are asked in turns, several rounds, so that a busy
machine is busy for all of them. CPU is that of all processes of a server, log writing included; latency is the
client's; memory counts what processes share for each.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from load import Load, closed_loop, cpu_seconds, request, resident_bytes

from automl.data.cells import as_truth
from automl.data.schema import Column

HERE = Path(__file__).parent
DATA = HERE.parent / "examples" / "telco_churn.csv"
TARGET = "Churn"
NAME = "churn"
TREES = 300
ROWS = 500  # different ones, sent in turns
READY_SECONDS = 120
SETTLE_SECONDS = 1.5  # until what a load has left behind, the log, is written: it counts too

Body = Callable[[dict[str, Any]], Any]
Codes = dict[str, float] | None  # None for a number


@dataclass
class Contender:
    """A server: how it is started, where it listens, how it wants a row, and what was measured."""

    name: str
    command: Sequence[str]
    port: int
    body: Body
    path: str = "/predict"
    process: subprocess.Popen[bytes] | None = None
    loads: dict[int, Load] = field(default_factory=dict)
    cpu: dict[int, list[float]] = field(default_factory=dict)

    def requests(self, rows: Sequence[dict[str, Any]]) -> list[bytes]:
        return [request(self.path, json.dumps(self.body(row)).encode()) for row in rows]

    def measure(self, requests: Sequence[bytes], connections: int, seconds: float) -> None:
        """One round."""
        assert self.process is not None
        before = cpu_seconds(self.process.pid)
        load = asyncio.run(closed_loop(self.port, requests, connections, seconds))
        time.sleep(SETTLE_SECONDS)
        spent = cpu_seconds(self.process.pid) - before
        assert load.served == load.statuses.total(), f"{self.name} answered {dict(load.statuses)}"
        self.cpu.setdefault(connections, []).append(1000 * spent / load.served)
        self.loads.setdefault(connections, Load()).add(load)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="of load in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--mlflow-python", type=Path, default=None)
    parser.add_argument("--only", nargs="+", default=None, help="names of contenders")
    options = parser.parse_args()
    rows = customers()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_model(folder)
        contenders = [each for each in all_contenders(folder, options.mlflow_python) if chosen(each, options.only)]
        with running(contenders):
            for each in contenders:
                each.measure(each.requests(rows), 1, 1.0)  # warm
                each.loads, each.cpu = {}, {}
            for _ in range(options.rounds):
                for connections in options.connections:
                    for each in contenders:
                        each.measure(each.requests(rows), connections, options.seconds)
            show(contenders, options.connections)


def chosen(contender: Contender, only: Sequence[str] | None) -> bool:
    return only is None or contender.name in only


def customers() -> list[dict[str, Any]]:
    """Rows as a client would send them: numbers as numbers, null where there is none."""
    numbers = {"SeniorCitizen": int, "tenure": int, "MonthlyCharges": float, "TotalCharges": float}
    with DATA.open(newline="", encoding="utf-8") as file:
        records = [record for record, _ in zip(csv.DictReader(file), range(ROWS), strict=False)]
    for record in records:
        del record[TARGET]
    return [
        {
            name: numbers[name](cell) if name in numbers and cell.strip() else cell.strip() or None
            for name, cell in row.items()
        }
        for row in records
    ]


def make_model(folder: Path) -> None:
    """Our model in a store, and for the others the same booster with the coding of its columns."""
    import pandas as pd
    from optuna.trial import FixedTrial

    from automl.data.dataset import conform, conform_target
    from automl.data.inference import infer_schema
    from automl.data.reading import Table
    from automl.hooks import find_architecture, find_task
    from automl.model.artifact import SelfTest, save_model
    from automl.model.model import Card, Member, Model
    from automl.store import Store, Version
    from automl.task import Examples, Problem, Progress
    from automl_tabular.xgboost import XGBoost

    frame = pd.read_csv(DATA, dtype=str, keep_default_na=False)
    schema = infer_schema(Table(frame, name=NAME), TARGET, "classify")
    problem = Problem(schema, "tabular", "roc_auc")
    family = find_architecture("tabular", "xgboost")
    parameters = dict(family.portfolio(problem)[0])
    learner = family.build(FixedTrial(parameters), problem)
    task = find_task("tabular")
    examples = Examples(task.features(schema, conform(frame, schema)), conform_target(frame[TARGET], schema))
    learner.fit(examples, examples, Progress(steps=TREES, threads=2))
    card = Card(NAME, "roc_auc", {}, len(frame), "2026-01-01", "0")
    model = Model(problem, (Member(1.0, "xgboost", parameters, (learner,)),), np.array([0.7, 0.3]), card)
    few = {column.name: frame[column.name].tolist()[:5] for column in schema.used}
    store = Store(folder / "store")
    home = store.runs_folder / "benchmark"
    home.parent.mkdir(parents=True, exist_ok=True)
    save_model(model, home, SelfTest(few, model.outputs(conform(few, schema))))
    store.versions.register(Version(NAME, 0, home, "classify", "tabular", "roc_auc", 0.0, "benchmark"), why="benchmark")
    store.close()
    # Of the same parameters on the same rows; without the columns that our model computes from others, which is ours to
    # pay for.
    plain = XGBoost().build(FixedTrial(parameters), problem)
    plain.fit(examples, examples, Progress(steps=TREES, threads=2))
    plain.save(folder)
    coding = [(column.name, codes_of(column)) for column in schema.of_kind("number", "boolean")]
    coding += [(column.name, codes_of(column)) for column in schema.of_kind("category")]
    (folder / "coding.json").write_text(json.dumps(coding), encoding="utf-8")


def codes_of(column: Column) -> Codes:
    """What each level of a column is to the booster (see `automl_tabular.boosting.joined`)."""
    if column.kind == "number":
        return None
    if column.kind == "boolean":
        return {level: as_truth(level) for level in column.levels}
    return {level: code + 1.0 for code, level in enumerate(column.levels)}


def all_contenders(folder: Path, mlflow_python: Path | None) -> list[Contender]:
    def rivals(what: str) -> list[str]:
        return [sys.executable, str(HERE / "serving_rivals.py"), what, str(folder)]

    def ours(engine: str, port: int) -> Contender:
        return Contender(f"ours-{engine}", our_command(folder, engine, port), port, lambda row: {"rows": [row]})

    ports = [free_port() for _ in range(5)]
    found = [
        Contender("by-hand", [*rivals("hand"), str(ports[0])], ports[0], lambda row: row),
        ours("plain", ports[1]),
        ours("bento", ports[2]),
        Contender("bento-noop", [*rivals("noop"), str(ports[3])], ports[3], lambda row: {}),
    ]
    if mlflow_python is not None:
        subprocess.run([str(mlflow_python), str(HERE / "serving_rivals.py"), "save", str(folder)], check=True)
        command = [str(mlflow_python), "-m", "mlflow", "models", "serve", "-m", str(folder / "mlflow")]
        command += ["-h", "127.0.0.1", "-p", str(ports[4]), "--env-manager", "local"]
        found.append(Contender("mlflow", command, ports[4], coded_body(folder), "/invocations"))
    return found


def our_command(folder: Path, engine: str, port: int) -> list[str]:
    """`automl serve` of the model that `make_model` left in a folder."""
    command = [sys.executable, "-m", "automl.cli", "serve", NAME, "--store", str(folder / "store")]
    return [*command, "--port", str(port), "--engine", engine]


def coded_body(folder: Path) -> Body:
    """A row as MLflow's client must send it: the columns of the booster, coded."""
    columns: list[tuple[str, Codes]] = [
        (name, codes) for name, codes in json.loads((folder / "coding.json").read_text())
    ]
    names = [name for name, _ in columns]

    def body(row: dict[str, Any]) -> Any:
        cells = [row[name] if codes is None else codes[str(row[name])] for name, codes in columns]
        return {
            "dataframe_split": {"columns": names, "data": [[0.0 if cell is None else float(cell) for cell in cells]]}
        }

    return body


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(contenders: Sequence[Contender]) -> Iterator[None]:
    """Start the servers one after the other, and stop them at the end."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "BENTOML_DO_NOT_TRACK": "True"}
    try:
        for each in contenders:
            environment["PATH"] = (
                f"{Path(each.command[0]).parent}{os.pathsep}{os.environ['PATH']}"  # MLflow looks there
            )
            each.process = subprocess.Popen(
                each.command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
            )
            began = time.perf_counter()
            while not answers(each.port):
                assert each.process.poll() is None, f"{each.name} did not start"
                assert time.perf_counter() - began < READY_SECONDS, f"{each.name} did not start in time"
                time.sleep(0.05)
            print(f"{each.name:<12} answers after {time.perf_counter() - began:.1f} s")
        yield
    finally:
        for each in contenders:
            if each.process is not None and each.process.poll() is None:
                each.process.send_signal(signal.SIGTERM)
        for each in contenders:
            if each.process is not None:
                each.process.wait(60)


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ping")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def show(contenders: Sequence[Contender], connections: Sequence[int]) -> None:
    """A Markdown table: medians over the rounds for CPU, over all requests for latency."""
    print("\n| server | connections | CPU ms/request | ratio | median ms | ratio | p99 ms | requests/s | memory MB |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    first = contenders[0]
    for number in connections:
        for each in contenders:
            assert each.process is not None
            load, base = each.loads[number], first.loads[number]
            cpu, median = float(np.median(each.cpu[number])), float(np.median(load.seconds))
            print(
                f"| {each.name} | {number} | {cpu:.2f} | {cpu / np.median(first.cpu[number]):.2f} "
                f"| {1000 * median:.2f} | {median / np.median(base.seconds):.2f} "
                f"| {1000 * float(np.quantile(load.seconds, 0.99)):.2f} | {load.served / load.wall:,.0f} "
                f"| {resident_bytes(each.process.pid) / 1e6:,.0f} |"
            )


if __name__ == "__main__":
    main()
