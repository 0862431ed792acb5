"""What users get wrong: one clear line, exit code 2, no traceback, nothing half-written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Automl, check_refused, check_untouched

LINES = [f"{number},{'uvw'[number % 3]},{'no' if number % 4 else 'yes'}" for number in range(40)]
TABLE = "\n".join(["age,colour,left", *LINES]) + "\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(TABLE)
    return path


FILES = {
    "empty": ("", "is empty"),
    "header only": ("age,colour,left\n", "a header (3 columns) but no rows"),
    "all targets missing": (TABLE.replace("yes", "").replace("no", "NA"), "the target 'left' are missing"),
    "one class only": (TABLE.replace("yes", "no"), "one class only: 'no'"),
    "fewer rows than folds": ("age,colour,left\n1,u,no\n2,v,yes\n3,u,no\n", "cannot be split into 5 folds"),
    "binary": ("\x89PNG\r\n\x1a\n" + "\0" * 99, "is a PNG image, not a text table"),
    "nothing to learn from": ("number,left\n" + "1,no\n1,yes\n" * 20, "No column is usable"),
    "ragged": (TABLE + "1,2,3,4\n", "line 42"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_cannot_be_learned(automl: Automl, data: Path, home: Path, name: str) -> None:
    content, words = FILES[name]
    data.write_bytes(content.encode("latin-1"))
    check_refused(automl("fit", data, "--target", "left", "--time", "5s", "--store", home), words)
    check_untouched(home)


def test_a_quoted_cell_shows_nobody(automl: Automl, data: Path, home: Path) -> None:
    data.write_text(TABLE.replace("yes", "new.person@mail.org").replace("no\n", "new.person@mail.org\n"))
    outcome = automl("fit", data, "--target", "left", "--time", "5s", "--store", home)
    check_refused(outcome, "one class only", "n….p…@m….o…")
    assert "person@mail" not in outcome.err + outcome.out


OPTIONS = {
    "a target that is not there": (["--target", "let"], "no column 'let' in people", "Did you mean 'left'?"),
    "an unknown task": (["--task", "cluster"], "no task 'cluster'"),
    "classes to regress on": (["--task", "regress"], "not a number in 40 of 40 rows", "--task classify"),
    "an unknown architecture": (["--only", "lihtgbm"], "no architecture 'lihtgbm'", "Did you mean 'lightgbm'?"),
    "an unknown metric": (["--metric", "roc_acu"], "no metric 'roc_acu'", "Did you mean 'roc_auc'?"),
    "a metric of another task": (["--metric", "rmse"], "does not fit the task classify"),
    "an unknown modality": (["--modality", "sound"], "no task plugin 'sound'"),
    "a modality that does not fit": (["--modality", "image"], "cannot learn from these columns"),
    "no duration": (["--time", "soon"], "'soon' is no duration", "60s"),
    "no time at all": (["--time", "0"], "is no duration"),
    "no kind": (["--types", "age"], "is not COLUMN=KIND"),
    "an unknown kind": (["--types", "age=color"], "no column type 'color'"),
    "a kind for no column": (["--types", "ago=number"], "no column 'ago'", "'age'"),
    "no name": (["--name", "../people"], "is no model name"),
    "nothing to resume": (["--resume"], "no unfinished run of 'people'"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_that_make_no_sense(automl: Automl, data: Path, home: Path, name: str) -> None:
    options, *words = OPTIONS[name]
    assert isinstance(options, list)
    fit = automl("fit", data, "--target", "left", "--time", "5s", "--store", home, *options)
    check_refused(fit, *map(str, words))
    check_untouched(home)


def test_no_such_file(automl: Automl, data: Path, home: Path) -> None:
    check_refused(automl("fit", data.with_name("peple.csv"), "--store", home), "Did you mean 'people.csv'?")
    check_refused(automl("fit", data.parent / "nowhere" / "x.csv", "--store", home), "does not exist either")
    check_untouched(home)


def test_a_folder_without_images(automl: Automl, tmp_path: Path, home: Path) -> None:
    (tmp_path / "photos" / "cats").mkdir(parents=True)
    (tmp_path / "photos" / "cats" / "notes.pdf").write_text("no image")
    check_refused(automl("fit", tmp_path / "photos", "--store", home), "without images")
    check_untouched(home)


def test_a_model_that_is_not_there(automl: Automl, data: Path, home: Path) -> None:
    for command in (["predict", "people", data], ["verify", "people"], ["leaderboard", "people"]):
        check_refused(automl(*command, "--store", home), "no model 'people'", "automl fit")


def test_a_store_that_is_a_file(automl: Automl, data: Path) -> None:
    check_refused(automl("fit", data, "--store", data), "cannot be made", "--store FOLDER")
    check_refused(automl("models", "--store", data), "cannot be made")


def test_the_process_itself_ends_with_2_and_one_line(data: Path, home: Path) -> None:
    command = [sys.executable, "-m", "automl.cli", "fit", str(data), "--target", "gone", "--store", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: There is no column 'gone'")
    assert len(done.stderr.splitlines()) == 1
    check_untouched(home)


def test_an_option_that_does_not_exist(automl: Automl, data: Path) -> None:
    outcome = automl("fit", data, "--tiem", "5s")
    assert outcome.code == 2
    assert "No such option: --tiem" in outcome.err
    assert "Traceback" not in outcome.err
