"""The only file that knows Evidently: its report of a check, its workspace, its dashboard panels, its server.

Evidently computes and renders; the verdict is `automl_monitoring.verdict`'s. The drift it shows is measured
by our own two-sample tests, registered with it as methods, because its defaults change with the row count.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from evidently import (
    BinaryClassification,
    DataDefinition,
    Dataset,
    MulticlassClassification,
    Regression,
    Report,
)
from evidently.core.report import Snapshot
from evidently.legacy.calculations.stattests import StatTest, register_stattest
from evidently.legacy.core import ColumnType
from evidently.metrics import (
    MAE,
    RMSE,
    Accuracy,
    DriftedColumnsCount,
    F1Score,
    LogLoss,
    R2Score,
    RocAuc,
    RowCount,
    ValueDrift,
)
from evidently.sdk.models import PanelMetric, ProjectModel
from evidently.sdk.panels import bar_plot_panel, line_plot_panel, text_panel
from evidently.ui.workspace import Workspace

from automl.data.dataset import object_array
from automl.data.schema import Schema
from automl_monitoring.policy import CheckPolicy
from automl_monitoring.reports import keep_newest
from automl_monitoring.two_sample import compare
from automl_monitoring.window import PREDICTION, PROBABILITY, Side, answer_columns

if TYPE_CHECKING:
    from automl_monitoring.checking import Check

os.environ.setdefault("DO_NOT_TRACK", "1")  # Evidently's telemetry looks for it whenever it would send

LABEL = "true label"
MOST_COLUMNS = 40  # each costs Evidently about 150 ms and 0.2 MB of HTML
MOST_ROWS = 20_000  # more make its pictures slow and its pages large, and say nothing new
METHOD = "automl_two_sample"
DATA_LINE = re.compile(r"^    var (?:additional_graphs_)?metric_[0-9a-f]+ = .*;$", re.MULTILINE)  # in Evidently's pages
NAMESPACE = uuid.UUID("6f2f6a0e-6a51-4a5e-9d5c-0f2f3c1d8b11")  # makes a model's project id from its name


def _two_sample(reference: pd.Series, window: pd.Series, kind: ColumnType, threshold: float) -> tuple[float, bool]:
    one, two = (_as_array(side, kind) for side in (reference, window))
    shift = compare(str(window.name), one, two)
    return shift.distance, shift.distance >= threshold and shift.p_value <= CheckPolicy().significance


def _as_array(side: pd.Series, kind: ColumnType) -> Any:
    if kind == ColumnType.Numerical:
        return np.asarray(side, dtype=np.float64)
    return object_array([str(value) for value in side])


register_stattest(
    StatTest(
        name=METHOD,
        display_name="two-sample distance (K-S, total variation)",
        allowed_feature_types=[ColumnType.Numerical, ColumnType.Categorical],
        default_threshold=CheckPolicy().effect_floor,
    ),
    _two_sample,
)


def write_report(check: Check, schema: Schema, sides: tuple[Side, Side], path: Path, workspace: Path) -> None:
    """Render a check of (reference, window) as one HTML file and add it to the model's project, of which the newest
    runs are kept."""
    snapshot, columns = _snapshot(check, schema, sides)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_page(snapshot), encoding="utf-8")
    home = Workspace.create(str(workspace))
    project = _open_project(home, check, schema, columns)
    home.add_run(project, snapshot)
    keep_newest(workspace / str(project) / "snapshots")


def report_page(check: Check, schema: Schema, sides: tuple[Side, Side]) -> str:
    """A check of (reference, window) as one HTML page, kept nowhere."""
    return _page(_snapshot(check, schema, sides)[0])


def _snapshot(check: Check, schema: Schema, sides: tuple[Side, Side]) -> tuple[Snapshot, list[str]]:
    """What Evidently makes of a check, and the columns that it shows.

    Columns that are wholly missing on one side are left out of the report (Evidently refuses them), never out of the
    verdict; of many columns only those that moved and the first of the others are shown, and of many rows a sample.
    """
    reference, window = (_frame(schema, side) for side in sides)
    columns = _reported(check, reference, window)
    labelled = any(measure.name == "score" for measure in check.outcome.measures) and _has_both(schema, sides)
    definition = _definition(schema, reference, columns, labelled)
    kept = [*columns, *([LABEL] if labelled else [])]
    report = Report(
        [
            RowCount(tests=[]),
            DriftedColumnsCount(columns=sorted(columns), num_method=METHOD, cat_method=METHOD, tests=[]),
            *(ValueDrift(column=name, method=METHOD, threshold=CheckPolicy().effect_floor) for name in columns),
            *(_performance_metrics(schema) if labelled else []),
        ],
        include_tests=True,
        tags=[check.verdict],
        metadata={"model": check.name, "version": str(check.number), "verdict": check.verdict},
    )
    snapshot = report.run(
        Dataset.from_pandas(window[kept], data_definition=definition),
        Dataset.from_pandas(reference[kept], data_definition=definition),
        name=f"{check.name} version {check.number}: {check.verdict}",
    )
    return snapshot, columns


def _page(snapshot: Snapshot) -> str:
    return _without_markup(snapshot.get_html_str(as_iframe=False))


def _without_markup(page: str) -> str:
    """The page with its data unable to end the script that it stands in: a cell may hold `</script>`."""
    return DATA_LINE.sub(lambda line: line[0].replace("<", "\\u003c"), page)


def make_workspace_app(workspace: Path, secret: str) -> Any:
    """Evidently's UI as an ASGI app; whoever does not know the secret can read but change nothing."""
    from evidently.ui.service.app import create_app, get_config

    os.environ.setdefault("GIT_COMMIT", "")  # or each look at the version would call git
    Workspace.create(str(workspace))
    return create_app(get_config(workspace=str(workspace), secret=secret))


def _frame(schema: Schema, side: Side) -> pd.DataFrame:
    classify = schema.task == "classify"
    # NaN, not None: Evidently takes None for a class of its own.
    truth = [schema.classes[code] if code >= 0 else np.nan for code in side.target] if classify else side.target
    columns = {**side.features, **answer_columns(schema, side), LABEL: truth}
    frame = pd.DataFrame(
        {name: pd.Series(values, dtype="float64" if _plain(values) else "object") for name, values in columns.items()}
    )
    if len(frame) <= MOST_ROWS:
        return frame
    return frame.sample(MOST_ROWS, random_state=0).sort_index().reset_index(drop=True)


def _plain(values: Any) -> bool:
    return getattr(values, "dtype", None) is not None and values.dtype.kind == "f"


def _reported(check: Check, reference: pd.DataFrame, window: pd.DataFrame) -> list[str]:
    moved = {column for finding in check.findings for column in finding.columns}
    watched = [measure.column for measure in check.outcome.measures if measure.name == "drift"]
    names = sorted(watched, key=lambda name: (name not in (PREDICTION, PROBABILITY), name not in moved))
    return [name for name in names if reference[name].notna().any() and window[name].notna().any()][:MOST_COLUMNS]


def _has_both(schema: Schema, sides: tuple[Side, Side]) -> bool:
    """Do the labels of each side hold two classes at least? Evidently's metrics fail on one."""
    if schema.task == "regress":
        return True
    return all(len(np.unique(side.target[side.labelled])) > 1 for side in sides)


def _definition(schema: Schema, frame: pd.DataFrame, columns: Sequence[str], labelled: bool) -> DataDefinition:
    numbers = [name for name in columns if frame[name].dtype.kind == "f"]
    levels = [name for name in columns if name not in numbers]
    if not labelled:
        return DataDefinition(numerical_columns=numbers, categorical_columns=levels)
    if schema.task == "regress":
        task = Regression(target=LABEL, prediction=PREDICTION)
        return DataDefinition(numerical_columns=[*numbers, LABEL], categorical_columns=levels, regression=[task])
    two = BinaryClassification(
        target=LABEL,
        prediction_labels=PREDICTION,
        prediction_probas=PROBABILITY,
        pos_label=schema.classes[-1],
        labels={name: name for name in schema.classes},
    )
    more = MulticlassClassification(target=LABEL, prediction_labels=PREDICTION)
    task = two if len(schema.classes) == 2 else more
    return DataDefinition(numerical_columns=numbers, categorical_columns=[*levels, LABEL], classification=[task])


def _performance_metrics(schema: Schema) -> list[Any]:
    if schema.task == "regress":
        return [MAE(mean_tests=[], std_tests=[]), RMSE(tests=[]), R2Score(tests=[])]
    two = [RocAuc(tests=[]), LogLoss(tests=[])] if len(schema.classes) == 2 else []
    return [Accuracy(tests=[]), F1Score(tests=[]), *two]


def _project_id(name: str) -> uuid.UUID:
    return uuid.uuid5(NAMESPACE, name)


def _open_project(home: Workspace, check: Check, schema: Schema, columns: Sequence[str]) -> uuid.UUID:
    """The model's project with fresh panels: the newest verdict on top, then the curves."""
    identity = _project_id(check.name)
    project = home.get_project(identity)
    if project is None:
        project = home.add_project(ProjectModel(id=identity, name=check.name, description="Checks by automl"))
    project.dashboard.clear_dashboard()
    project.dashboard.add_panel(text_panel(f"{check.name}: {check.verdict}", " ".join(check.reasons)))
    for panel in _panels(columns, schema):
        project.dashboard.add_panel(panel)
    return identity


def _panels(columns: Sequence[str], schema: Schema) -> list[Any]:
    def drift(names: Sequence[str]) -> list[PanelMetric]:
        return [PanelMetric(metric="ValueDrift", legend=name, metric_labels={"column": name}) for name in names]

    answers = [name for name in columns if name in (PREDICTION, PROBABILITY)]
    features = [name for name in columns if name not in answers]
    share = PanelMetric(metric="DriftedColumnsCount", legend="share", metric_labels={"value_type": "share"})
    regress = schema.task == "regress"
    scores = ("MAE", "RMSE", "R2Score") if regress else ("RocAuc", "Accuracy", "F1Score", "LogLoss")
    performance = [
        PanelMetric(metric=name, legend=name, metric_labels={"value_type": "mean"} if name == "MAE" else {})
        for name in scores
    ]
    floor = f"0 the same, 1 disjoint; below {CheckPolicy().effect_floor} never counts"
    return [
        line_plot_panel("Share of drifted columns", [share], "of the watched columns and answers", size="half"),
        bar_plot_panel("Rows", [PanelMetric(metric="RowCount", legend="rows")], "in the checked window", size="half"),
        line_plot_panel("Performance", performance, "on the labelled rows of the window", size="half"),
        line_plot_panel("Drift of the answers", drift(answers), floor, size="half"),
        line_plot_panel("Drift by column", drift(features), floor),
    ]
