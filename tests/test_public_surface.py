"""The public surface: short, complete, and quick to import."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

import automl
from automl import errors

HEAVY = (
    "torch",
    "bentoml",
    "evidently",
    "ray",
    "transformers",
    "sklearn",
    "pandas",
    "optuna",
    "scipy",
    "xgboost",
    "lightgbm",
    "sqlalchemy",
    "fastapi",
    "plotly",
    "PIL",
)


def test_what_is_offered_is_what_is_there() -> None:
    assert automl.__all__ == sorted(automl.__all__)
    for name in automl.__all__:
        thing = getattr(automl, name)
        assert inspect.getdoc(thing), f"automl.{name} has no docstring"
    assert set(automl.__all__) == {
        "Architecture",
        "AutoMLClassifier",
        "AutoMLError",
        "AutoMLRegressor",
        "Event",
        "Model",
        "Roles",
        "Store",
        "Task",
        "fit",
        "hookimpl",
        "inspect",
        "load",
    }
    assert set(automl.__all__) <= set(dir(automl))
    with pytest.raises(AttributeError, match="no attribute 'train'"):
        _ = automl.train  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "statement",
    [
        "import automl",
        "import automl; dir(automl); automl.hookimpl, automl.Event, automl.AutoMLError",
        "from automl.cli import build_app; import typer; typer.main.get_command(build_app())",
        "import sys; sys.argv = ['automl', '--help']; from automl.cli import main; main()",
        "import sys; sys.argv = ['automl', 'fit', '--help']; from automl.cli import main; main()",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(statement: str) -> None:
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('HEAVY', *sorted(set({HEAVY!r}) & set(sys.modules))))\n"
        f"{statement}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["HEAVY"], f"{statement!r} imports what it need not"


def test_the_drawn_tree_is_the_tree_of_errors() -> None:
    """The drawing at the top of errors.py, against the classes below it."""
    drawn: dict[str, str] = {}
    above = ["Exception"]
    for line in (errors.__doc__ or "").splitlines():
        plain = line.translate(str.maketrans("│├└─", "    "))
        name = (plain.split() or [""])[0]
        if hasattr(errors, name):
            depth = (len(plain) - len(plain.lstrip())) // 4  # the outermost is indented once
            above = [*above[:depth], name]
            drawn[name] = above[depth - 1]
    there = {
        name: thing.__bases__[0].__name__
        for name, thing in vars(errors).items()
        if inspect.isclass(thing) and issubclass(thing, Exception)
    }
    assert drawn == there
    for name in there:
        error = getattr(errors, name)("What went wrong.", "What to do.")
        assert str(error) == "What went wrong. What to do."
        assert isinstance(error, errors.AutoMLError)
        assert str(getattr(errors, name)("Alone.")) == "Alone."


def test_every_error_of_ours_belongs_to_the_tree() -> None:
    """Also those that a module keeps to itself."""
    for module in ("automl.engine", "automl.testing", "automl.store.versions", "automl.search.study", "automl.cli"):
        for name, thing in vars(importlib.import_module(module)).items():
            if inspect.isclass(thing) and issubclass(thing, Exception) and thing.__module__.startswith("automl"):
                assert issubclass(thing, errors.AutoMLError), f"{module}.{name}"


@pytest.mark.parametrize(
    ("wanted", "known", "sentence"),
    [
        ("Chrun", ["Churn", "tenure"], "Did you mean 'Churn'?"),
        ("CHURN", ["churn", "tenure"], "Did you mean 'churn'?"),
        ("xyz", ["alpha", "beta"], "There is: alpha, beta."),
        ("xyz", list("abcdefghijk"), "There is: a, b, c, d, e, f, g, h, …."),
        ("xyz", [], ""),
    ],
)
def test_the_nearest_name_is_suggested(wanted: str, known: list[str], sentence: str) -> None:
    assert errors.nearest(wanted, known) == sentence


def test_the_python_interface_fits_loads_and_predicts(tmp_path, churn_rows) -> None:  # type: ignore[no-untyped-def]
    model = automl.fit(churn_rows.head(120), "Churn", time=0.5, name="quick", store=tmp_path)
    assert set(model.predict(churn_rows.head(3))) <= {"No", "Yes"}
    again = automl.load("quick", store=tmp_path)
    assert again.predict_proba(churn_rows.head(3)).equals(model.predict_proba(churn_rows.head(3)))
    assert automl.load("quick", 1, store=automl.Store(tmp_path)).card == again.card
    with pytest.raises(automl.AutoMLError, match=r"no model 'quack'.*Did you mean 'quick'"):
        automl.load("quack", store=tmp_path)
    with pytest.raises(automl.AutoMLError, match="no duration"):
        automl.fit(churn_rows, "Churn", time="a while", store=tmp_path)
