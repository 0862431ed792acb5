"""Windows that were checked, found again however many checks were made by hand since."""

from __future__ import annotations

from automl.store import CheckRecord, Store


def _check(store: Store, first: int, last: int, number: int = 1, cut: bool = True) -> None:
    summary = {"first": first, "last": last, "cut": cut}
    store.checks.add(CheckRecord("churn", number, "healthy", last - first + 1, summary))


def test_windows_stand_apart_from_checks_by_hand(store: Store) -> None:
    _check(store, 1, 100)
    _check(store, 101, 200)
    _check(store, 1, 100)  # again, with its labels
    for last in range(200, 260):
        _check(store, last - 99, last, cut=False)
    _check(store, 201, 300, number=2)
    assert [each.summary["last"] for each in store.checks.windows("churn", 1, 10)] == [100, 200, 100]
    assert [each.summary["last"] for each in store.checks.windows("churn", 1, 1)] == [200]
    assert [each.summary["last"] for each in store.checks.windows("churn", 2, 10)] == [300]
    assert store.checks.windows("churn", 3, 10) == []
