"""A reference without rows: columns like the real ones, and nothing in the artifact that was one person's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.data.dataset import conform
from automl.data.reading import Table
from automl.engine import FitRequest, FitResult, fit_table
from automl.model.artifact import load_model, read_selftest, verify_model
from automl.model.reference import Reference
from automl.model.statistics import FEWEST, draw, summarise, without_cells
from automl.store import Store
from automl.testing import make_dataset

ROWS = 400


def private_rows() -> pd.DataFrame:
    """Every kind of column; numbers, dates and texts that occur once each."""
    rng = np.random.default_rng(0)
    income = np.round(rng.lognormal(10, 1, ROWS), 2)
    moments = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 10**8, ROWS), "s")
    words = np.array(["kind", "slow", "quick", "cold", "warm", "late", "open"])
    frame = pd.DataFrame(
        {
            "income": income,
            "rooms": rng.integers(1, 6, ROWS),
            "town": rng.choice(["Ulm", "Jena", "Bonn"], ROWS, p=[0.6, 0.3, 0.1]),
            "member": rng.choice(["yes", "no"], ROWS),
            "seen": moments.strftime("%Y-%m-%d %H:%M:%S"),
            "letter": [f"{' '.join(rng.choice(words, rng.integers(5, 30)))} secret{row:04d}x" for row in range(ROWS)],
            "left": np.where((income > 22_000) ^ (rng.random(ROWS) < 0.1), "yes", "no"),
        }
    )
    frame.loc[:79, "income"] = np.nan
    return frame


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A model of these rows whose artifact must hold none of them."""
    store = Store(tmp_path_factory.mktemp("store"))
    request = FitRequest(target="left", name="left", seconds=30, max_trials=2, executor="inline", reference_rows=False)
    return fit_table(Table(private_rows(), name="left"), request, store)


def test_drawn_columns_are_like_the_real_ones() -> None:
    frame = private_rows()
    dataset = make_dataset(Table(frame), "left")
    schema = dataset.schema
    assert {column.kind for column in schema.used} == {"number", "category", "boolean", "datetime", "text"}
    statistics = summarise(dataset.rows, schema)
    drawn = conform(draw(statistics, 4_000), schema)
    assert drawn.issues == ()
    for name in ("income", "seen"):
        real, made = dataset.rows[name], drawn[name]
        assert np.isnan(made).mean() == pytest.approx(np.isnan(real).mean(), abs=0.03)
        points = np.linspace(0.02, 0.98, 25)
        np.testing.assert_allclose(
            [np.mean(made[np.isfinite(made)] <= value) for value in np.nanquantile(real, points)], points, atol=0.04
        )
    for name in ("rooms", "town", "member"):
        values, counts = np.unique(dataset.rows[name], return_counts=True)
        seen, made_counts = np.unique(drawn[name], return_counts=True)
        np.testing.assert_array_equal(seen, values)
        np.testing.assert_allclose(made_counts / 4_000, counts / ROWS, atol=0.03)
    lengths = [len(text) for text in drawn["letter"]]
    real_lengths = [len(text) for text in dataset.rows["letter"]]
    np.testing.assert_allclose(
        np.quantile(lengths, [0.1, 0.5, 0.9]), np.quantile(real_lengths, [0.1, 0.5, 0.9]), rtol=0.05
    )
    again = conform(draw(statistics, 4_000), schema)
    np.testing.assert_array_equal(again["income"], drawn["income"])


@pytest.mark.parametrize("cells", [[None] * 30, [7.0] * 30, [1.0, 2.0, 3.0], [None, 1e-300, 1e300] * 10])
def test_odd_columns_can_be_drawn(cells: list[float | None]) -> None:
    frame = pd.DataFrame({"odd": cells, "y": np.arange(len(cells), dtype=float)})
    from automl.data.schema import Column, Schema

    schema = Schema((Column("odd", "number"),), "y", "regress")
    statistics = summarise(conform(frame, schema), schema)
    drawn = conform(draw(statistics, 50), schema)["odd"]
    assert len(drawn) == 50
    known = {cell for cell in cells if cell is not None and cells.count(cell) >= FEWEST}
    assert known or np.isnan(drawn).all()
    assert set(drawn[np.isfinite(drawn)].tolist()) <= known
    text = without_cells(schema, statistics, conform(frame, schema)).to_json()
    assert "NaN" not in text


def test_nothing_in_the_artifact_was_one_person_s(fitted: FitResult) -> None:
    folder = fitted.version.folder
    frame = private_rows()
    said = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert not list(folder.glob("*.parquet"))
    assert (folder / "reference.json").exists()
    for row in range(ROWS):
        for path, content in said.items():
            assert str(frame["letter"][row])[-11:].encode() not in content, path
    # Learners know cut points between values; everything else must not know a value.
    outside = b"".join(content for path, content in said.items() if "members" not in path.parts)
    once = frame["income"].value_counts()
    for value in [*once.index[once == 1].map(repr), *frame["seen"], *frame["seen"].str.replace(" ", "T")]:
        assert value.encode() not in outside, value
    known = conform(frame, fitted.model.schema)["seen"]
    numbers = {
        value for each in json.loads((folder / "reference.json").read_text())["columns"] for value in _flat(each)
    }
    assert not numbers & set(known.tolist())
    for column in fitted.model.schema.columns:
        assert column.kind != "text" or column.example is None


def test_a_level_that_few_share_is_not_written_down(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    towns = np.array(["Ulm"] * 70 + ["Bonn"] * 42 + [f"Kleinhof {row}" for row in range(4)] + ["Mittelhof"] * 4)
    amounts = rng.normal(size=len(towns))
    frame = pd.DataFrame(
        {"town": rng.permutation(towns), "amount": amounts, "y": amounts + rng.normal(size=len(towns))}
    )
    table, store = Table(frame, name="towns"), Store(tmp_path)
    kinds = {"town": "category"}
    request = FitRequest(target="y", name="towns", seconds=20, max_trials=1, executor="inline", kinds=kinds)
    usual = fit_table(table, request, store).model.schema.column("town")
    assert "Mittelhof" in usual.levels, "a level that this test is about"
    fitted = fit_table(table, replace(request, reference_rows=False), store)
    said = [path.read_bytes() for path in fitted.version.folder.rglob("*") if path.is_file()]
    assert not any(b"hof" in content for content in said)
    assert any(b"Bonn" in content for content in said)
    column = fitted.model.schema.column("town")
    assert column.codes == usual.codes
    assert column.levels[:2] == ("Ulm", "Bonn")
    verify_model(fitted.model)
    assert fitted.model.predict(frame).notna().all()
    store.close()


def _flat(record: dict[str, object]) -> list[float]:
    parts = [record["values"], record["means"]]
    return [value for part in parts if isinstance(part, list) for value in part if isinstance(value, float)]


def test_such_an_artifact_is_whole(fitted: FitResult) -> None:
    model = load_model(fitted.version.folder)
    assert verify_model(model) == 20
    selftest = read_selftest(fitted.version.folder)
    assert set(selftest.columns) == {column.name for column in model.schema.used}
    reference = Reference.load(fitted.version.folder)
    assert not reference.real
    assert len(reference.frame) == len(reference.target) == len(reference.outputs) == ROWS
    assert np.isfinite(reference.outputs).all()
    assert model.predict(private_rows()).isin(["yes", "no"]).all()


def test_the_monitor_goes_on_watching(fitted: FitResult) -> None:
    from automl_monitoring.checking import run_check

    store = Store(fitted.run_folder.parent.parent)
    model = fitted.model
    frame = private_rows().drop(columns="left").sample(150, random_state=0)
    for moved, verdict in ((False, "healthy"), (True, "act")):
        rows = frame.assign(income=frame["income"] * (30 if moved else 1))
        from automl.cli.predict import loggable_rows
        from automl.model.logged import log_entries

        entries = log_entries(model, ("left", 1), loggable_rows(rows, model), model.answer(rows))
        store.log.write(entries)
        check = run_check(store, fitted.version, 150, report=moved)
        assert check.verdict == verdict, check.reasons
        assert any("statistics instead of reference rows" in reason for reason in check.reasons)
        assert not check.report_error
    moved = {column for finding in check.findings for column in finding.columns}
    assert moved & {"income", "model prediction", "model probability"}
    store.close()


def test_an_artifact_with_rows_stays_as_it_was(saved: Path) -> None:
    assert Reference.load(saved).real
    assert not (saved / "reference.json").exists()
