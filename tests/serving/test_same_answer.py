"""Same row, same answer: random rows through Python, the command line and HTTP give the same bits."""

from __future__ import annotations

import csv
import io
import json
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from automl.cli import build_app
from automl.data.reading import Table
from automl.data.schema import Column
from automl.engine import FitRequest, FitResult, fit_table
from automl.model.artifact import load_model
from automl.model.model import Model
from automl.store import Store
from automl_serving.app import make_app
from automl_serving.assets import swagger_assets
from automl_serving.context import Context
from automl_serving.log import PredictionWriter
from automl_serving.served import load_served

Row = dict[str, Any]
Answers = list[tuple[Any, tuple[float, ...]]]  # prediction and probabilities of each row

MISSING = (None, "", "NA", "n/a", " null ", "NaN", "?")
EXAMPLES = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def mixed_table(rows: int = 240) -> Table:
    """Dates, units, truth values, a category of many levels, rare levels, texts; all cells text, as in a CSV."""
    rng = np.random.default_rng(0)
    power = rng.integers(40, 300, rows)
    days = pd.Timestamp("2020-01-31") + pd.to_timedelta(rng.integers(0, 900, rows), "D")
    town = rng.integers(0, 40, rows)
    words = np.array(["clean", "rusty", "fast", "old", "cheap", "family", "garage", "repaired", "new", "tyres"])
    frame = pd.DataFrame(
        {
            "power": [f"{number} bhp" for number in power],
            "price": [f"${number:,}" for number in rng.integers(500, 90_000, rows)],
            "seats": rng.integers(2, 8, rows).astype(str),
            "weight kg": np.round(rng.normal(1300, 200, rows), 1).astype(str),
            "diesel": rng.choice(["Yes", "No"], rows),
            "town": [f"Town-{number:02d}" for number in town],
            "gear": rng.choice(["manual", "automatic"], rows),
            "sold on": days.strftime("%d/%m/%Y"),
            "remark": [" ".join(rng.choice(words, rng.integers(4, 12))) for _ in range(rows)],
            "fast": np.where((power > 150) ^ (rng.random(rows) < 0.05), "1", "0"),
        }
    )
    frame.loc[::9, "seats"] = ""
    frame.loc[::11, "diesel"] = ""
    frame.loc[::13, "sold on"] = "NA"
    return Table(frame, name="mixed")


@dataclass
class Doors:
    """One version of a model behind all its doors."""

    name: str
    store: Path
    model: Model
    http: TestClient
    scratch: Path

    def python(self, rows: Sequence[Row]) -> Answers:
        answers = self.model.answer({name: [row[name] for row in rows] for name in rows[0]})
        return told(answers.prediction, answers.probabilities)

    def frame(self, rows: Sequence[Row]) -> Answers:
        """As a data frame, typed as pandas would."""
        frame = pd.DataFrame(list(rows))
        return told(self.model.predict(frame).tolist(), self.model.predict_proba(frame).to_numpy())

    def over_http(self, rows: Sequence[Row]) -> Answers:
        reply = self.http.post("/predict", json={"rows": list(rows)})
        assert reply.status_code == 200, reply.text
        predictions = reply.json()["predictions"]
        return [(each["prediction"], tuple(each["probabilities"].values())) for each in predictions]

    def command(self, rows: Sequence[Row], ending: str) -> Answers:
        """`automl predict` on a file of these rows, in this process."""
        from typer.testing import CliRunner

        source = write(rows, self.scratch / f"rows.{ending}")
        done = CliRunner().invoke(build_app(), ["predict", self.name, str(source), "--store", str(self.store)])
        assert done.exit_code == 0, (done.output, done.exception, source.read_text())
        return self.read(done.stdout)

    def process(self, rows: Sequence[Row]) -> Answers:
        """`automl predict` as a process of its own."""
        source = write(rows, self.scratch / "rows.csv")
        command = [sys.executable, "-m", "automl.cli", "predict", self.name, str(source), "--store", str(self.store)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return self.read(done.stdout)

    def read(self, written: str) -> Answers:
        """What the command prints, with the prediction as the model spells it."""
        lines = list(csv.reader(io.StringIO(written)))
        spelt = {str(value): value for value in self.model.classes}
        return [(spelt[line[0]], tuple(map(float, line[1:]))) for line in lines[1:]]


def told(predictions: Sequence[Any], probabilities: Any) -> Answers:
    return [
        (prediction, tuple(float(share) for share in shares))
        for prediction, shares in zip(predictions, probabilities, strict=True)
    ]


def write(rows: Sequence[Row], path: Path) -> Path:
    """The rows as CSV, where every cell is text, or as JSON lines, where they keep their types."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({name: "" if cell is None else cell for name, cell in row.items()} for row in rows)
    return path


def open_doors(store: Store, result: FitResult, scratch: Path) -> Doors:
    version = result.version
    served = load_served(version.name, version.number, version.folder)
    http = TestClient(make_app(served, Context(swagger_assets(), PredictionWriter(store.log))))
    return Doors(version.name, store.folder, load_model(version.folder), http, scratch)


@pytest.fixture(scope="module")
def churn(churn_fit: tuple[Store, FitResult], tmp_path_factory: pytest.TempPathFactory) -> Doors:
    """The churn model."""
    return open_doors(*churn_fit, tmp_path_factory.mktemp("churn"))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """The model of `mixed_table`, with a boosted and a linear member."""
    store = Store(tmp_path_factory.mktemp("mixed"))
    request = FitRequest(target="fast", name="mixed", seconds=40, max_trials=2, executor="inline", modality="tabular")
    yield open_doors(store, fit_table(mixed_table(), request, store), tmp_path_factory.mktemp("rows"))
    store.close()


def numbers_of(column: Column) -> st.SearchStrategy[Any]:
    """A number, or its text as the source or a person would write it."""
    plain = st.one_of(
        st.integers(-(10**6), 10**6),
        st.floats(-1e9, 1e9, allow_nan=False),
        st.sampled_from([0, -0.0, 1, 1.0, 1e-7, 12345678.9, 0.1 + 0.2]),
    )

    def spell(number: float, way: int) -> Any:
        if way == 0:
            return number
        text = f"{number:,}" if column.grouped and way == 1 else repr(number)
        if column.unit and way != 3:
            return f"{column.unit}{text}" if column.unit == "$" else f"{text} {column.unit}"
        return f" {text} " if way == 2 else text

    return st.builds(spell, plain, st.integers(0, 3))


def moments_of(column: Column) -> st.SearchStrategy[Any]:
    form = column.formats[0] if column.formats else "%Y-%m-%d"
    dates = st.datetimes(pd.Timestamp("1950-01-01").to_pydatetime(), pd.Timestamp("2050-01-01").to_pydatetime())
    return st.one_of(
        dates.map(lambda moment: moment.strftime(form)), dates.map(lambda moment: moment.date().isoformat())
    )


def cells_of(column: Column) -> st.SearchStrategy[Any]:
    """What a client may send: known and unseen, typed and as text, present and missing."""
    letters = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)
    if column.kind == "number":
        present = numbers_of(column)
    elif column.kind == "datetime":
        present = moments_of(column)
    elif column.kind == "boolean":
        spelt = [*column.levels, *(level.upper() for level in column.levels), True, False, "yes", "No", "true", 1, 0]
        present = st.sampled_from(spelt)
    elif column.kind == "category":
        present = st.one_of(st.sampled_from([*column.levels, *(f" {level} " for level in column.levels)]), letters)
    else:
        present = st.one_of(letters, st.sampled_from(["clean fast", "rusty old family garage", 'new, "cheap"; tyres']))
    return st.one_of(present, present, present, st.sampled_from(MISSING))


def rows_of(model: Model) -> st.SearchStrategy[list[Row]]:
    """Rows in a shuffled order of the columns, with a column that the model does not know."""
    one = st.fixed_dictionaries({column.name: cells_of(column) for column in model.schema.used})
    names = [column.name for column in model.schema.used]

    def shuffled(rows: list[Row], seed: int) -> list[Row]:
        order = [*names, "further"]
        random.Random(seed).shuffle(order)
        return [{name: row.get(name, "x") for name in order} for row in rows]

    return st.builds(shuffled, st.lists(one, min_size=1, max_size=5), st.integers(0, 99))


@pytest.mark.parametrize("which", ["churn", "mixed"])
def test_every_door_gives_the_same_bits(which: str, request: pytest.FixtureRequest) -> None:
    doors: Doors = request.getfixturevalue(which)

    @EXAMPLES
    @given(rows=rows_of(doors.model))
    def same(rows: list[Row]) -> None:
        expected = doors.python(rows)
        assert doors.over_http(rows) == expected
        assert doors.frame(rows) == expected
        assert doors.command(rows, "jsonl") == expected
        assert doors.command(rows, "csv") == expected
        assert [doors.python([row])[0] for row in rows] == expected

    same()


def test_a_real_process_gives_the_same_bits(mixed: Doors) -> None:
    table = mixed_table()
    rows = table.frame.drop(columns="fast").sample(30, random_state=1).to_dict("records")
    rows[3] |= {"town": "Nowhere", "power": "80 bhp", "seats": "NA", "sold on": "2021-02-28", "diesel": "YES"}
    expected = mixed.python(rows)
    assert mixed.process(rows) == expected
    assert mixed.over_http(rows) == expected
    kinds = {column.name: column.kind for column in mixed.model.schema.used}
    assert set(kinds.values()) >= {"number", "boolean", "category", "datetime", "text"}, kinds
    assert [column.unit for column in mixed.model.schema.used if column.unit]
    assert len({shares for _, shares in expected}) > 20, "the answers differ, so that equal ones say something"
