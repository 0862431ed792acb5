"""Our estimate without labels beside NannyML's CBPE, whose idea it is. Development only: give a Python that has it.

AUTOML_NANNYML=/path/to/venv/bin/python pytest tests/monitoring/test_estimate_peer.py
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from automl.metrics import find_metric
from automl_monitoring.window import Side
from tests.monitoring.test_estimate import classified, estimated

PEER = os.environ.get("AUTOML_NANNYML", "")
METRICS = {"roc_auc": "roc_auc", "accuracy": "accuracy", "f1": "f1", "average_precision": "average_precision"}
PROGRAM = """
import json, sys, warnings
warnings.simplefilter("ignore")
import nannyml, pandas
reference, window, metric = pandas.read_csv(sys.argv[1]), pandas.read_csv(sys.argv[2]), sys.argv[3]
peer = nannyml.CBPE(
    problem_type="classification_binary", y_pred_proba="p", y_pred="said", y_true="y",
    metrics=[metric], chunk_size=len(window),
)
print(json.dumps(float(peer.fit(reference).estimate(window).to_df()[(metric, "value")].iloc[-1])))
"""

pytestmark = pytest.mark.skipif(not PEER, reason="AUTOML_NANNYML names no Python that has NannyML")


def write(side: Side, path: Path) -> Path:
    said = side.outputs.argmax(axis=1)
    pd.DataFrame({"p": side.outputs[:, 1], "said": said, "y": side.target}).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("slope", [1.0, 2.0])
def test_the_estimate_is_that_of_the_peer(name: str, slope: float, tmp_path: Path) -> None:
    reference, window = classified(4_000, 0, slope=slope), classified(2_000, 1, spread=0.6, slope=slope)
    files = [str(write(side, tmp_path / f"{at}.csv")) for at, side in enumerate((reference, window))]
    environment = {**os.environ, "NML_DISABLE_USAGE_LOGGING": "1"}
    told = subprocess.run(
        [PEER, "-c", PROGRAM, *files, METRICS[name]], capture_output=True, text=True, env=environment, check=True
    )
    theirs = json.loads(told.stdout.splitlines()[-1])
    assert estimated(find_metric(name), reference, window).score == pytest.approx(theirs, abs=0.02)
