"""Requests that wait at the same time are answered by one call of the model, each judged by itself.

Nothing waits for company: what has come while the event loop, or the call before, was busy goes together. A call that
fails is repeated request by request, so that a row the model cannot take fails its own request and no other. What a
row is answered does not depend on its neighbours (see `automl.model.model.settle`).

Measured with 300 trees on two busy cores: a third of the CPU per request for 16 clients, two thirds for 4, and for a
single one what a turn of the event loop costs. So it is for every model, not for slow ones only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from automl.model.model import Answers
from automl_serving.reading import Cells
from automl_serving.served import QUICK_SECONDS

MOST_ROWS = 64  # of one call: up to here rows are read one by one (see automl.data.row_path), which is quick
PER_ROW = tuple(field.name for field in fields(Answers) if field.name != "issues")

Predict = Callable[[Sequence[Cells]], Answers]
Outcome = Answers | Exception


@dataclass(eq=False)
class Waiting:
    """The rows of one request, what became of them, and whom to tell, if anybody waits."""

    rows: Sequence[Cells]
    outcome: Outcome | None = None
    told: asyncio.Future[None] | None = None

    def settle(self, outcome: Outcome) -> None:
        self.outcome = outcome
        if self.told is not None and not self.told.done():  # done: whoever waited has left
            self.told.set_result(None)


class Batcher:
    """Answers rows with `predict`, which takes about `seconds` for a row."""

    def __init__(self, predict: Predict, seconds: float) -> None:
        self._predict = predict
        self._seconds = seconds
        self._waiting: deque[Waiting] = deque()
        self._busy = False
        self._rest: asyncio.Task[None] | None = None

    async def answers(self, rows: Sequence[Cells]) -> Answers:
        """The answers to the rows of one request; raises what `predict` raises for them."""
        if len(rows) > MOST_ROWS:
            answers: Answers = await self._call(self._predict, rows, len(rows))
            return answers
        request = Waiting(rows)
        self._waiting.append(request)
        if self._busy:
            request.told = asyncio.get_running_loop().create_future()
            await request.told
        else:
            await self._lead()
        assert request.outcome is not None
        if isinstance(request.outcome, Exception):
            raise request.outcome
        return request.outcome

    async def _lead(self) -> None:
        """Answer all that have come by the time the event loop has heard everybody, the caller's request first.

        Not in a task of its own, which would double the price for a client that is alone.
        """
        self._busy = True
        try:
            await asyncio.sleep(0)
            await self._turn()
        finally:  # those who have come meanwhile do not keep the caller from its answer
            if self._waiting:
                self._rest = asyncio.create_task(self._go_on())
            else:
                self._busy = False

    async def _go_on(self) -> None:
        try:
            while self._waiting:
                await self._turn()
        finally:
            self._busy = False

    async def _turn(self) -> None:
        """One call for the next requests that fit into it."""
        requests = self._take()
        try:
            together = [request.rows for request in requests]
            outcomes = await self._call(self._judge, together, sum(map(len, together)))
        except asyncio.CancelledError:  # of one; the others are still waiting
            self._waiting.extendleft(reversed(requests))
            raise
        for request, outcome in zip(requests, outcomes, strict=True):
            request.settle(outcome)

    def _take(self) -> list[Waiting]:
        taken = [self._waiting.popleft()]
        rows = len(taken[0].rows)
        while self._waiting and rows + len(self._waiting[0].rows) <= MOST_ROWS:
            taken.append(self._waiting.popleft())
            rows += len(taken[-1].rows)
        return taken

    async def _call(self, function: Callable[[Any], Any], argument: Any, rows: int) -> Any:
        if self._seconds * rows < QUICK_SECONDS:
            return function(argument)
        return await asyncio.to_thread(function, argument)

    def _judge(self, requests: Sequence[Sequence[Cells]]) -> list[Outcome]:
        """What each request is answered, or why it cannot be."""
        if len(requests) > 1:
            try:
                return list(parted(self._predict([row for rows in requests for row in rows]), list(map(len, requests))))
            except Exception:  # one of them is to blame: each is asked alone which
                pass
        return [self._alone(rows) for rows in requests]

    def _alone(self, rows: Sequence[Cells]) -> Outcome:
        try:
            return self._predict(rows)
        except Exception as error:
            return error


def parted(answers: Answers, sizes: Sequence[int]) -> Iterator[Answers]:
    """Answers cut into parts of these sizes. Issues, which are counted for all rows together, belong to none."""
    by_row = {name: whole for name in PER_ROW if (whole := getattr(answers, name)) is not None}
    start = 0
    for size in sizes:
        part = slice(start, start + size)
        yield replace(answers, **{name: whole[part] for name, whole in by_row.items()}, issues=())
        start += size
