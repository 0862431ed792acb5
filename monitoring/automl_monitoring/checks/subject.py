"""What a check looks at: a window of one version's answers beside the version's reference."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from automl.data.dataset import Rows, conform
from automl.metrics import Metric, find_metric
from automl.model.artifact import read_selftest
from automl.model.model import Model
from automl_monitoring.design import Design, make_design
from automl_monitoring.looks import level_at
from automl_monitoring.policy import CheckPolicy
from automl_monitoring.two_sample import Shift, shifts_between
from automl_monitoring.usage import usage_share
from automl_monitoring.window import Side
from automl_monitoring.windows import Entries

PICTURE_ROWS = 100  # of a model of images, each of which may take it milliseconds


@dataclass(frozen=True)
class Past:
    """An earlier window of the same version: its rows, those labelled when it was checked, when it began (seconds since
    1970) and how many seconds it spans.

    `raised`: the checks that found something in it. `blocked`: were its data broken?
    """

    rows: int
    labelled: int
    begin: float
    seconds: float
    raised: frozenset[str] = frozenset()
    blocked: bool = False


@dataclass(frozen=True)
class Subject:
    """A window and its reference, both with `policy.least_rows` rows at least.

    `entries`: what the log says of the window's rows beside their conformed cells. `looks`: how many windows of this
    version have been judged before this one, for tests that are made again and again. `past`: what is known of them,
    oldest first.
    """

    model: Model
    reference: Side
    window: Side
    entries: Entries
    policy: CheckPolicy
    looks: int = 0
    past: tuple[Past, ...] = ()

    @property
    def metric(self) -> Metric:
        """The user's metric."""
        return find_metric(self.model.problem.metric)

    @cached_property
    def shifts(self) -> list[Shift]:
        """How each watched quantity of the window lies to the reference's."""
        return shifts_between(self.reference.features, self.window.features)

    @cached_property
    def design(self) -> Design:
        """All watched quantities of both sides as numbers."""
        names = [name for name in self.window.features if name in self.reference.features]
        return make_design(self.reference.features, self.window.features, names)

    @cached_property
    def answerable(self) -> Rows:
        """Rows that the model can be asked about: the reference's, or, for a model of images, those of its self-test
        over and over, which has pictures."""
        model = self.model
        if not model.schema.images:
            return self.reference.rows
        assert model.folder is not None
        few = conform(read_selftest(model.folder).columns, model.schema, model.folder)
        return few.take(np.resize(np.arange(len(few)), PICTURE_ROWS))

    def usage(self, columns: Collection[str]) -> float:
        """How much of the model's answers hangs on these columns together (see `usage_share`)."""
        known = frozenset(columns)
        if known not in self._usages:
            self._usages[known] = usage_share(self.model, self.answerable, known)
        return self._usages[known]

    @cached_property
    def _usages(self) -> dict[frozenset[str], float]:
        return {}

    def level(self, check: str) -> float:
        """The level at which this check may test this time, having looked before."""
        raised = sum(check in each.raised for each in self.past)
        return level_at(self.looks, raised, self.policy.significance)
