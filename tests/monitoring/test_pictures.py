"""Models of images are watched by numbers that were measured while the pictures were there."""

from __future__ import annotations

import io
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from automl.data.reading import Table
from automl.data.schema import Column, Schema
from automl.engine import FitRequest, FitResult, fit_table
from automl.hooks import find_architecture
from automl.model.logged import log_entries
from automl.model.reference import Reference
from automl.search.run import TrialStart
from automl.store import LoggedPrediction, Store
from automl.task import Problem
from automl_monitoring.checking import Check, check_window, look
from automl_monitoring.window import reference_side, window_side

FAMILY = "descriptors"  # fitted in a second
SIDE = 28
ROWS = 120


def draw(rng: np.random.Generator, kind: str, light: float = 1.0) -> bytes:
    """A disc, more red or more blue, on a dark ground, in this light."""
    image = Image.new("RGB", (SIDE, SIDE), tuple(int(part) for part in rng.integers(20, 90, 3)))
    x, y = (int(part) for part in rng.integers(1, 14, 2))
    strong, weak = int(rng.integers(150, 250)), int(rng.integers(20, 170))
    ImageDraw.Draw(image).ellipse((x, y, x + 12, y + 12), (strong, 90, weak) if kind == "red" else (weak, 90, strong))
    file = io.BytesIO()
    ImageEnhance.Brightness(image).enhance(light).save(file, "PNG")
    return file.getvalue()


def sample(rows: int, seed: int, light: float = 1.0) -> pd.DataFrame:
    """Pictures with a number beside them that says nothing."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(["blue", "red"], rows)
    photos = pd.Series([draw(rng, kind, light) for kind in kinds], dtype=object)
    return pd.DataFrame({"photo": photos, "weight": rng.normal(size=rows).round(3), "kind": kinds})


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, FitResult]:
    """A model of pictures that lay in a folder, which is gone by now."""
    home = tmp_path_factory.mktemp("pictures")
    frame = sample(ROWS, 0)
    (home / "photos").mkdir()
    for number, picture in enumerate(frame["photo"]):
        (home / "photos" / f"{number}.png").write_bytes(picture)
    frame["photo"] = [f"{number}.png" for number in range(ROWS)]
    store = Store(home / "store")
    schema = Schema((Column("photo", "image"), Column("weight", "number")), "kind", "classify", ("blue", "red"))
    [quick, *_] = find_architecture("image", FAMILY).portfolio(Problem(schema, "image", "roc_auc"))
    starts = (TrialStart(FAMILY, {**quick, "images": 1.0, "mirrored": False}),)
    request = FitRequest("kind", name="discs", seconds=math.inf, max_trials=1, executor="inline", starts=starts)
    result = fit_table(Table(frame, base=home / "photos", name="discs", kinds={"photo": "image"}), request, store)
    shutil.rmtree(home / "photos")
    return store, result


def logged(fitted: tuple[Store, FitResult], frame: pd.DataFrame) -> list[LoggedPrediction]:
    """The log entries of these rows, as the endpoint makes them, and read from the store again."""
    store, result = fitted
    rows = [{"photo": photo, "weight": weight} for photo, weight in zip(frame["photo"], frame["weight"], strict=True)]
    entries = log_entries(result.model, ("discs", result.version.number), rows, result.model.answer(rows))
    store.log.write(entries)
    return store.log.newest("discs", len(entries))


def checked(fitted: tuple[Store, FitResult], frame: pd.DataFrame, report: bool = False) -> Check:
    store, result = fitted
    return check_window(store, result.version, logged(fitted, frame), report=report)


def test_the_reference_holds_numbers_and_no_picture(fitted: tuple[Store, FitResult]) -> None:
    folder = fitted[1].version.folder
    record = Reference.load(folder).frame["photo"][0]
    assert set(record) == {"sha256", "bytes", "watched"}
    side = reference_side(fitted[1].model, folder)
    assert np.isfinite(side.features["photo (brightness)"]).all()
    assert "weight" in side.features


def test_alike_pictures_are_quiet_and_darker_ones_are_found(fitted: tuple[Store, FitResult]) -> None:
    quiet = checked(fitted, sample(200, 1))
    assert "drift" not in {finding.check for finding in quiet.findings}, quiet.reasons
    assert not quiet.blocks
    dark = checked(fitted, sample(200, 2, light=0.4))
    assert dark.verdict == "act"
    drift = next(finding for finding in dark.findings if finding.check == "drift")
    assert "photo (brightness)" in drift.columns
    assert "weight" not in drift.columns


def test_evidently_reports_what_is_watched_in_pictures(fitted: tuple[Store, FitResult]) -> None:
    check = checked(fitted, sample(120, 3, light=0.4), report=True)
    assert check.report_error == ""
    assert check.report is not None
    assert "photo (brightness)" in (fitted[0].folder / check.report).read_text(encoding="utf-8")


def test_missing_pictures_are_a_shift(fitted: tuple[Store, FitResult]) -> None:
    frame = sample(200, 4)
    frame.loc[frame.index % 2 == 0, "photo"] = None
    drift = next(finding for finding in checked(fitted, frame).findings if finding.check == "drift")
    assert "photo (brightness)" in drift.columns


def test_rows_of_which_nothing_was_measured_are_said_and_are_no_drift(fitted: tuple[Store, FitResult]) -> None:
    store, result = fitted
    entries = logged(fitted, sample(100, 5))
    for entry in entries:
        entry.features["photo"].pop("watched")  # as an older release wrote it
    found = look(store, result.version, entries)
    assert not any(name.startswith("photo") for name in found.window.features)
    assert any("photo" in reason for reason in found.check.reasons)
    assert "drift" not in {finding.check for finding in found.check.findings}


def test_labels_tell_of_the_performance_of_pictures(fitted: tuple[Store, FitResult]) -> None:
    store, result = fitted
    frame = sample(150, 6)
    entries = logged(fitted, frame)
    wrong = [{"blue": "red", "red": "blue"}[kind] for kind in frame["kind"]]
    store.log.add_labels("discs", zip([entry.id for entry in entries], wrong, strict=True), source="test")
    check = check_window(store, result.version, store.log.newest("discs", 150), report=False)
    assert check.labelled == 150
    assert any(finding.check == "performance" and finding.verdict == "act" for finding in check.findings)
    json.dumps(check.record())


def test_a_model_that_keeps_no_rows_watches_no_pictures(fitted: tuple[Store, FitResult], tmp_path: Path) -> None:
    model = fitted[1].model
    Reference.load(fitted[1].version.folder).without_rows(model.schema).save(tmp_path)
    side = reference_side(model, tmp_path)
    assert list(side.features) == ["weight"]
    window = window_side(model, logged(fitted, sample(50, 7)))
    assert set(window.features) > {"weight", "photo (brightness)"}
    assert list(window.beside(side).features) == ["weight"]
