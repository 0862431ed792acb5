"""Requests that wait at the same time share a call of the model, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from automl.errors import DataError
from automl.model.model import Answers
from automl_serving.batcher import MOST_ROWS, Batcher
from automl_serving.contract import Cells
from automl_serving.served import QUICK_SECONDS, ServedModel

QUICK, SLOW = 0.0, QUICK_SECONDS  # what one row takes: in the loop, and in a thread


class Watched:
    """A model's `predict` that notes the size of its calls and cannot take a row whose plan is `poison`."""

    def __init__(self, served: ServedModel) -> None:
        self.sizes: list[int] = []
        self._served = served

    def __call__(self, rows: Sequence[Cells]) -> Answers:
        self.sizes.append(len(rows))
        if any(row["plan"] == "poison" for row in rows):
            raise DataError("This plan is poison.")
        return self._served.predict(rows)


def different(row: Cells, count: int) -> list[Cells]:
    """Rows that are answered differently."""
    return [{**row, "tenure": place % 72} for place in range(count)]


async def ask(batcher: Batcher, requests: Sequence[Sequence[Cells]]) -> list[Answers | BaseException]:
    """The outcomes of requests that come at the same time."""
    return await asyncio.gather(*map(batcher.answers, requests), return_exceptions=True)


@pytest.mark.parametrize("seconds", [QUICK, SLOW])
def test_requests_share_calls_and_get_what_they_would_get_alone(
    served: ServedModel, row: Cells, seconds: float
) -> None:
    predict = Watched(served)
    requests = [[each] for each in different(row, 40)] + [different(row, 5)]
    outcomes = asyncio.run(ask(Batcher(predict, seconds), requests))
    assert sum(predict.sizes) == 45
    assert len(predict.sizes) < 5
    for rows, outcome in zip(requests, outcomes, strict=True):
        alone = served.predict(rows)
        assert isinstance(outcome, Answers)
        assert outcome.prediction == alone.prediction
        assert np.array_equal(outcome.probabilities, alone.probabilities)


@pytest.mark.parametrize("seconds", [QUICK, SLOW])
def test_a_bad_row_fails_its_own_request_and_no_other(served: ServedModel, row: Cells, seconds: float) -> None:
    requests = [[each] for each in different(row, 31)]
    requests[15] = [{**row, "plan": "poison"}]
    for _ in range(100):
        outcomes = asyncio.run(ask(Batcher(Watched(served), seconds), requests))
        assert [isinstance(outcome, DataError) for outcome in outcomes] == [place == 15 for place in range(31)]


def test_no_call_takes_more_rows_than_are_quick_to_read(served: ServedModel, row: Cells) -> None:
    predict = Watched(served)
    large = MOST_ROWS + 1
    requests = [different(row, 30) for _ in range(7)] + [different(row, large)]
    outcomes = asyncio.run(ask(Batcher(predict, SLOW), requests))
    sizes = [len(outcome.prediction) for outcome in outcomes if isinstance(outcome, Answers)]
    assert sizes == [30] * 7 + [large]
    assert max(size for size in predict.sizes if size != large) <= MOST_ROWS


def test_a_request_that_nobody_waits_for_any_more_does_no_harm(served: ServedModel, row: Cells) -> None:
    async def leave() -> Answers:
        batcher = Batcher(served.predict, SLOW)
        left = asyncio.create_task(batcher.answers([row]))
        stayed = asyncio.create_task(batcher.answers([row]))
        await asyncio.sleep(0)  # both are waiting now
        left.cancel()
        return await stayed

    assert asyncio.run(leave()).prediction == served.predict([row]).prediction
