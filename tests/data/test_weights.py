"""The weight column: read as any number is, refused where it says nothing, no feature, and felt by the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.data.reading import Table
from automl.data.roles import Roles
from automl.data.schema_file import SchemaFile, read_schema_file, write_schema_file
from automl.data.weights import row_weights
from automl.engine import FitRequest, fit_table
from automl.errors import DataError, OptionError
from automl.opening import prepare
from automl.store import Store


@pytest.mark.parametrize("cells", [[1, 2, 3, 0], ["1", "2.0", "3", "0"], ["$1", "$2", "$3", "$0"], [10, 20, 30, 0]])
def test_weights_are_numbers_with_a_mean_of_one(cells: list[object]) -> None:
    np.testing.assert_allclose(row_weights(cells, "w"), np.array([1, 2, 3, 0]) / 1.5)


def test_weights_near_the_largest_number_stay_finite() -> None:
    np.testing.assert_allclose(row_weights([1e308, 1e308, 5e307], "w"), [1.2, 1.2, 0.6])


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([1, None, 2], "'w' is missing or no number in 1 of 3 rows"),
        ([1, "heavy", 2], "'w' is missing or no number in 1 of 3 rows"),
        ([1.0, np.inf], "'w' is missing or no number in 1 of 2 rows"),
        ([1, -2, -3], "'w' is negative in 2 of 3 rows"),
        ([0, 0], "'w' is 0 in every row"),
        ([None, None], "'w' is missing or no number in 2 of 2 rows"),
    ],
)
def test_what_is_no_weight_is_refused_with_a_remedy(cells: list[object], words: str) -> None:
    with pytest.raises(DataError) as refused:
        row_weights(cells, "w")
    assert words in refused.value.problem
    assert refused.value.remedy


def two_worlds(rows: int = 400) -> pd.DataFrame:
    """In the first half y rises with x, in the second it falls."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=rows), "z": rng.normal(size=rows)})
    rises = np.arange(rows) < rows // 2
    frame["y"] = np.where(rises, frame["x"], -frame["x"]) + 0.1 * rng.normal(size=rows)
    frame["w"] = np.where(rises, 1.0, 0.0)
    return frame


def test_the_weight_is_no_feature_and_goes_with_the_dataset() -> None:
    frame = two_worlds()
    frame.loc[3, ["y", "w"]] = [np.nan, -1]  # a row without a target is left out, and its weight with it
    prepared = prepare(Table(frame), FitRequest(target="y", roles=Roles(weight="w")))
    column = prepared.dataset.schema.column("w")
    assert (column.kind, column.reason) == ("ignored", "the weight of a row")
    assert prepared.dataset.weights is not None
    assert len(prepared.dataset.weights) == len(prepared.dataset) == 399
    assert prepared.dataset.weights.mean() == pytest.approx(1)
    assert prepare(Table(frame), FitRequest(target="y")).dataset.weights is None
    with pytest.raises(OptionError, match="--weight names the target 'y'"):
        prepare(Table(frame), FitRequest(target="y", roles=Roles(weight="y")))
    with pytest.raises(OptionError, match=r"There is no column 'ww' for --weight\. Did you mean 'w'"):
        prepare(Table(frame), FitRequest(target="y", roles=Roles(weight="ww")))


def test_a_schema_file_holds_the_weight(tmp_path: Path) -> None:
    path = tmp_path / "schema.toml"
    write_schema_file(path, [], SchemaFile("y"))
    assert '# weight = "COLUMN"' in path.read_text()
    assert read_schema_file(path).roles.weight is None
    write_schema_file(path, [], SchemaFile("y", roles=Roles(weight="w")))
    said = read_schema_file(path)
    assert said.roles.weight == "w"
    assert said.overruled_by(SchemaFile(roles=Roles(weight="v"))).roles.weight == "v"
    assert said.overruled_by(SchemaFile()).roles.weight == "w"


def test_rows_without_weight_neither_teach_nor_judge(tmp_path: Path) -> None:
    store, frame = Store(tmp_path / "store"), two_worlds()
    request = FitRequest(
        target="y", name="worlds", seconds=30, max_trials=2, executor="inline", split="random", roles=Roles(weight="w")
    )
    result = fit_table(Table(frame), request, store)
    scores = result.model.card.scores
    assert scores["out_of_fold"] < 0.5  # of all rows alike the best is to answer 0: an rmse of 1
    answers = result.model.predict(pd.DataFrame({"x": [-1.0, 1.0], "z": [0.0, 0.0]}))
    assert answers[0] < -0.5 < 0.5 < answers[1]
    store.close()


def test_a_run_keeps_its_weights(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    request = FitRequest(
        target="y", name="worlds", seconds=30, max_trials=1, executor="inline", roles=Roles(weight="w")
    )
    result = fit_table(Table(two_worlds(120)), request, store)
    run = store.runs_folder / result.version.run
    assert np.load(run / "weights.npy", allow_pickle=False).mean() == pytest.approx(1)
    assert '"weight": "w"' in (run / "run.json").read_text()
    store.close()
