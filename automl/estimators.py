"""The engine as scikit-learn estimators: `fit(X, y)`, `predict(X)`, no store to think of."""

from __future__ import annotations

import shutil
import tempfile
import time
import warnings
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from automl.data.dataset import Array
from automl.data.reading import Table
from automl.engine import FitRequest, FitResult, fit_table
from automl.model.model import Model
from automl.store import Store

if TYPE_CHECKING:
    import pandas as pd

TARGET = "target"


class _AutoML(BaseEstimator):  # type: ignore[misc]
    """What both estimators share. Parameters are those of `automl fit`.

    Data frames are taken as they are (texts, categories, dates, holes); arrays must be numbers. With `store=None`
    the run lives in a temporary folder and only the fitted model is kept. `executor="inline"` fits in this process:
    quicker for tiny data, but then a budget cannot stop a fit that hangs.
    """

    def __init__(
        self,
        time_budget: float = 60.0,
        metric: str | None = None,
        max_trials: int | None = None,
        random_state: int = 0,
        executor: Literal["local", "inline"] = "local",
        store: str | None = None,
        name: str = "estimator",
    ) -> None:
        self.time_budget = time_budget
        self.metric = metric
        self.max_trials = max_trials
        self.random_state = random_state
        self.executor = executor
        self.store = store
        self.name = name

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def _fit_frame(self, X: Any, y: Any, task: str) -> FitResult:
        """Fit on checked inputs; `y` is an array of class numbers or values."""
        frame = self._frame(X)
        kinds = {} if hasattr(X, "columns") else dict.fromkeys(frame.columns, "number")
        target = TARGET
        while target in frame.columns:
            target += "_"
        frame[target] = y
        request = FitRequest(
            target=target,
            task=task,
            seconds=self.time_budget,
            metric=self.metric,
            name=self.name,
            seed=self.random_state,
            kinds=kinds,
            max_trials=self.max_trials,
            executor=self.executor,
            started=time.time(),
            split="stratified",
        )
        folder = tempfile.mkdtemp(prefix="automl-") if self.store is None else self.store
        store = Store(folder)
        try:
            result = fit_table(Table(frame), request, store)
        finally:
            store.close()
            if self.store is None:
                shutil.rmtree(folder, ignore_errors=True)
        if not result.model.members:
            warnings.warn(result.model.card.notes[0], ConvergenceWarning, stacklevel=3)
        return result

    def _checked(self, X: Any, y: Any = None, reset: bool = False) -> Any:
        """A data frame as it is, anything else as a float array; records or compares the columns."""
        if hasattr(X, "columns"):
            return validate_data(self, X, skip_check_array=True, reset=reset)
        return validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=reset)

    def _frame(self, X: Any) -> pd.DataFrame:
        import pandas as pd

        if hasattr(X, "to_pandas"):
            X = X.to_pandas()
        if isinstance(X, pd.DataFrame):
            frame = X.reset_index(drop=True).copy()
            frame.columns = [str(name) for name in frame.columns]
            return frame
        return pd.DataFrame(X, columns=[f"x{number}" for number in range(X.shape[1])])


class AutoMLClassifier(ClassifierMixin, _AutoML):  # type: ignore[misc]
    """A classifier found by search. `classes_` are the labels as given in `y`.

    Example:
        AutoMLClassifier(time_budget=60).fit(X_train, y_train).predict_proba(X_test)
    """

    model_: Model
    classes_: Array

    def fit(self, X: Any, y: Any) -> Self:
        """Search, combine and keep a model for these rows and labels."""
        X, y = _checked_pair(self, X, y)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has 1 class only ({self.classes_[0]!r}); a classifier needs at least two classes.")
        result = self._fit_frame(X, numbers, "classify")
        self.model_, self.leaderboard_ = result.model, result.leaderboard
        return self

    def predict_proba(self, X: Any) -> Array:
        """(rows, classes) probabilities in the order of `classes_`."""
        check_is_fitted(self, "model_")
        answers = self.model_.answer(self._frame(self._checked(X)))
        assert answers.probabilities is not None
        return answers.probabilities

    def predict(self, X: Any) -> Array:
        """The label that the model decides on for each row: the most probable one, unless the metric says otherwise."""
        probabilities = self.predict_proba(X)
        return self.classes_[self.model_.decide(probabilities)]


class AutoMLRegressor(RegressorMixin, _AutoML):  # type: ignore[misc]
    """A regressor found by search.

    Example:
        AutoMLRegressor(time_budget=60).fit(X_train, y_train).predict(X_test)
    """

    model_: Model

    def fit(self, X: Any, y: Any) -> Self:
        """Search, combine and keep a model for these rows and values."""
        X, y = _checked_pair(self, X, y)
        result = self._fit_frame(X, np.asarray(y, dtype=np.float64), "regress")
        self.model_, self.leaderboard_ = result.model, result.leaderboard
        return self

    def predict(self, X: Any) -> Array:
        """One float64 per row."""
        check_is_fitted(self, "model_")
        return np.asarray(self.model_.answer(self._frame(self._checked(X))).prediction, dtype=np.float64)


def _checked_pair(estimator: _AutoML, X: Any, y: Any) -> tuple[Any, Array]:
    """Inputs and target of equal length; raises scikit-learn's own ValueErrors."""
    from sklearn.utils import check_consistent_length
    from sklearn.utils.validation import _check_y, column_or_1d

    if y is None:
        raise ValueError(f"{type(estimator).__name__} requires y to be passed, but the target y is None.")
    X = estimator._checked(X, reset=True)
    if isinstance(estimator, RegressorMixin):
        y = _check_y(y, y_numeric=True)
    else:
        y = column_or_1d(y, warn=True)
        if np.asarray(y).dtype.kind == "f":
            y = _check_y(y)
    check_consistent_length(X, y)
    return X, np.asarray(y)
