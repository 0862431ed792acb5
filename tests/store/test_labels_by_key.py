"""Late labels by key: to the newest prediction that was given before the label was known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from automl.model.logged import discretion
from automl.store import KeyLabel, LabelResult, LoggedPrediction, Store
from automl.store.labels import LONGEST_KEY, as_key
from automl.store.predictions import SHADOW

START = datetime(2026, 1, 1, tzinfo=UTC)


def logged(place: int, key: str | None, role: str = "champion", name: str = "churn") -> LoggedPrediction:
    moment = START + timedelta(days=place)
    return LoggedPrediction(f"{name}{place}{role}", moment, name, 1, {"x": place}, "No", role=role, key=key)


def labels(store: Store) -> dict[int, str | None]:
    """By the day on which the prediction was given."""
    entries = store.log.newest("churn", 99, labelled_only=True)
    return {round((entry.time - START) / timedelta(days=1)): entry.label for entry in entries}


def at(day: float) -> datetime:
    return START + timedelta(days=day)


def test_the_newest_before_the_time_of_the_label(store: Store) -> None:
    store.log.write([logged(0, "a"), logged(10, "a"), logged(20, "a"), logged(5, "b"), logged(6, None)])
    store.log.write([logged(30, "a", SHADOW), logged(30, "a", name="other")])
    assert store.log.newest("churn", 9)[0].key == "a"
    sent = [KeyLabel("a", "Yes", at(15)), KeyLabel("b", "No"), KeyLabel("a", "No", at(9)), KeyLabel("nobody", "No")]
    assert store.log.add_labels_by_key("churn", sent, "crm") == LabelResult(3, 0, 0, ("nobody",))
    assert labels(store) == {0: "No", 10: "Yes", 5: "No"}
    assert store.log.add_labels_by_key("churn", sent, "crm") == LabelResult(0, 3, 0, ("nobody",))
    # Without a time the newest is meant; a label from before the first prediction has none.
    assert store.log.add_labels_by_key("churn", [KeyLabel("a", "Yes")], "crm").added == 1
    assert labels(store)[20] == "Yes"
    assert store.log.add_labels_by_key("churn", [KeyLabel("b", "Yes", at(4))], "crm").unknown == ("b",)
    assert store.audit.of("churn") == []


def test_of_two_labels_of_one_prediction_the_later_counts_whatever_their_order(store: Store) -> None:
    store.log.write([logged(0, "a")])
    sent = [KeyLabel("a", "Yes", at(60)), KeyLabel("a", "No", at(30))]
    for turn in (sent, sent[::-1], sent):
        store.log.add_labels_by_key("churn", turn, "crm")
        assert labels(store) == {0: "Yes"}
    assert store.audit.of("churn") == []
    assert store.log.add_labels_by_key("churn", [KeyLabel("a", "No", at(90))], "desk").corrected == 1
    assert "desk corrected" in store.audit.of("churn")[0].why


@pytest.mark.parametrize("kept", ["hashed", "none"])
def test_a_log_of_hashes_is_labelled_by_the_key_as_it_is(store: Store, kept: str) -> None:
    hidden = discretion(kept, store.folder)
    assert hidden is not None
    store.log.write([logged(0, "before")])  # as it came
    store.log.write([hidden(logged(1, "Maria 7")), hidden(logged(2, "Maria 8")), hidden(logged(3, None))])
    assert [entry.key is None or "Maria" not in entry.key for entry in store.log.newest("churn", 3)] == [True] * 3
    sent = [KeyLabel("Maria 7", "Yes"), KeyLabel("before", "No")]
    assert store.log.add_labels_by_key("churn", sent, "crm").added == 2
    assert labels(store) == {0: "No", 1: "Yes"}


def test_many_keys_at_once(store: Store) -> None:
    store.log.write([replace(logged(place, f"k{place}"), time=START) for place in range(1_300)])
    result = store.log.add_labels_by_key("churn", [KeyLabel(f"k{place}", "Yes") for place in range(1_301)], "crm")
    assert (result.added, result.unknown) == (1_300, ("k1300",))


def test_what_can_be_a_key() -> None:
    assert [as_key(each) for each in (12, 12.0, "12", "Zürich 1", " a", "x" * LONGEST_KEY)] == [
        *("12", "12", "12", "Zürich 1", " a"),
        "x" * LONGEST_KEY,
    ]
    for wrong in (None, True, 1.5, "", "a\nb", "a\0", "\ud800", "x" * (LONGEST_KEY + 1), 10**300, [], float("nan")):
        assert as_key(wrong) is None
