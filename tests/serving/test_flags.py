"""Flags: what a version had not seen, row by row, in the answer and in the log."""

from __future__ import annotations

from typing import Any

import pytest

from automl.data.schema import Column
from automl.store import Store
from automl_serving.flags import MISSING, OUT_OF_RANGE, UNSEEN_LEVEL, Flagger

from .conftest import NAME, Client

COLUMNS = (
    Column("age", "number", minimum=18.0, maximum=90.0),
    Column("price", "number", nullable=True, minimum=0.0, maximum=9.5, unit="$", grouped=True),
    Column("plan", "category", levels=("gold", "1")),
    Column("town", "category", levels=("Rome",), other=True, nullable=True),
    Column("open", "boolean", levels=("No", "Yes")),
    Column("day", "datetime", minimum=0.0, maximum=1.0),
    Column("note", "text", nullable=True),
)
ROW = {"age": 40, "price": 5.0, "plan": "gold", "town": "Rome", "open": "No", "day": "2024-01-01", "note": "as ever"}


@pytest.mark.parametrize(
    ("cells", "flags"),
    [
        ({}, {}),
        ({"age": 17}, {"age": OUT_OF_RANGE}),
        ({"age": 10**400}, {"age": OUT_OF_RANGE}),
        ({"age": " 90.0 "}, {}),
        ({"age": None}, {"age": MISSING}),
        ({"age": "NA"}, {"age": MISSING}),
        ({"price": "$9,000"}, {"price": OUT_OF_RANGE}),
        ({"price": None}, {}),
        ({"plan": "silver"}, {"plan": UNSEEN_LEVEL}),
        ({"plan": True}, {"plan": UNSEEN_LEVEL}),
        ({"plan": 1.0}, {}),
        ({"plan": " gold "}, {}),
        ({"plan": "?"}, {"plan": MISSING}),
        ({"town": "Paris"}, {}),
        ({"open": None, "day": ""}, {"open": MISSING, "day": MISSING}),
        ({"day": "2999-01-01", "note": None}, {}),
        ({"age": 1, "plan": "silver"}, {"age": OUT_OF_RANGE, "plan": UNSEEN_LEVEL}),
    ],
)
def test_only_what_training_did_not_hold_is_flagged(cells: dict[str, Any], flags: dict[str, str]) -> None:
    assert Flagger(COLUMNS)({**ROW, **cells}) == flags


def test_flags_are_answered_and_logged(store: Store, client: Client, row: dict[str, Any]) -> None:
    client.writer.start()
    odd = {**row, "plan": "platinum", "tenure": 10_000, "class": None, "Monthly Charges": None}
    plain, flagged = client.predict(row, odd).json()["predictions"]
    client.writer.close()
    assert plain["flags"] == []
    expected = {"plan": UNSEEN_LEVEL, "tenure": OUT_OF_RANGE, "class": MISSING}
    assert {flag["column"]: flag["kind"] for flag in flagged["flags"]} == expected
    assert [dict(entry.flags or {}) for entry in store.log.newest(NAME, 10)] == [{}, expected]
