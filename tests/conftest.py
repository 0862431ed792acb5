"""Shared by all tests. Threads are bounded before anything heavy is imported: on two busy cores that is five times
quicker."""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["BENTOML_DO_NOT_TRACK"] = "True"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["AUTOML_WEIGHTS"] = "none"  # whatever lies in the caches of this machine
os.environ.pop("AUTOML_STORE", None)
os.environ.pop("AUTOML_DATABASE", None)

from pathlib import Path  # noqa: E402

import pandas as pd  # noqa: E402
import pytest  # noqa: E402

from automl.data.reading import Table  # noqa: E402
from automl.engine import FitRequest, FitResult, fit_table  # noqa: E402
from automl.store import Store  # noqa: E402
from tests.postgres import postgres as postgres  # noqa: E402

CHURN = Path(__file__).parent.parent / "examples" / "telco_churn.csv"


@pytest.fixture(scope="session")
def churn_csv() -> Path:
    """The example data set: 7,043 customers, target Churn."""
    return CHURN


@pytest.fixture(scope="session")
def churn_rows() -> pd.DataFrame:
    """The example's first 1,200 rows as the CSV reader gives them: every cell text."""
    return pd.read_csv(CHURN, dtype=str, keep_default_na=False).head(1200)


@pytest.fixture(scope="session")
def churn_fit(tmp_path_factory: pytest.TempPathFactory, churn_rows: pd.DataFrame) -> tuple[Store, FitResult]:
    """A small model of churn named `churn`, fitted once. Tests must not change its store."""
    store = Store(tmp_path_factory.mktemp("store"))
    request = FitRequest(target="Churn", name="churn", seconds=30, max_trials=2, executor="inline")
    return store, fit_table(Table(churn_rows, name="churn"), request, store)
