"""What the monitor sees of texts."""

from __future__ import annotations

import numpy as np
import pytest

from automl.data.dataset import Array, Rows, object_array
from automl.data.schema import Column, Schema
from automl.hooks import find_task

SCHEMA = Schema((Column("mail", "text"), Column("size", "number")), "y", "classify", ("a", "b"))
OFFICE = ["the meeting about the budget moved to friday afternoon", "please send the signed contract before monday"]
GARDEN = ["water your tomatoes early while the morning is cool", "these roses need pruning after their first flowers"]


def watched(*texts: str) -> dict[str, Array]:
    rows = Rows({"mail": object_array(texts), "size": np.arange(len(texts), dtype=np.float64)})
    return find_task("text").drift_columns(SCHEMA, rows)


def test_each_text_has_numbers_and_a_language() -> None:
    columns = watched("The room was cold and we had no breakfast.", "Das Zimmer war kalt und wir hatten nichts.", "")
    assert columns["mail (length)"].tolist() == [42, 42, 0]
    first, second, none = columns["mail (language)"]
    assert len({first, second, none}) == 3
    assert columns["size"].tolist() == [0, 1, 2]
    assert all(column[2] == 0 for name, column in columns.items() if "(theme" in name or "strange" in name)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("It's 25% off, see page 3/4 (well-known prices).", 0.0),
        ("cl1ck h3re http://win.example/x?id=9 now", 0.75),
        ("l'été à Zürich, 東京 и Москва", 0.0),
        ("\ud800 half", 0.5),
    ],
)
def test_strange_words_are_counted(text: str, share: float) -> None:
    assert watched(text)["mail (strange words)"][0] == share


def test_themes_move_with_the_subject_and_not_with_the_order() -> None:
    def themes(texts: list[str]) -> Array:
        columns = watched(*texts)
        return np.stack([columns[f"mail (theme {number})"] for number in (1, 2, 3, 4)], axis=1)

    office, shuffled = themes(OFFICE * 20), themes([" ".join(reversed(text.split())) for text in OFFICE * 20])
    np.testing.assert_array_equal(office, shuffled)
    assert np.abs(office.mean(axis=0) - themes(GARDEN * 20).mean(axis=0)).max() > 0.5
