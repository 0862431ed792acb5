"""Cutting the log: every row is in one window of its version, whatever the clocks say; all of it is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.model.artifact import load_model
from automl.store import CheckRecord, LoggedPrediction, Store, Version, predictions
from automl_monitoring import windows
from automl_monitoring.checking import check_window
from automl_monitoring.policy import WindowPolicy
from automl_monitoring.window import read_window, window_side
from automl_monitoring.windows import Entries, LogWindow, new_windows, newest_window, read
from tests.monitoring.conftest import Log, add_labels

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "empty")
    yield store
    store.close()


def version_of(number: int = 1) -> Version:
    """All that cutting needs to know of a version."""
    return Version("m", number, Path(), "classify", "tabular", "roc_auc", None, "run")


def log_at(store: Store, moments: Sequence[datetime], number: int = 1) -> None:
    taken = store.log.count("m")
    store.log.write(
        [
            LoggedPrediction(f"{taken + place}-{number}", moment, "m", number, {"x": place}, 1.0)
            for place, moment in enumerate(moments)
        ]
    )


def steps(start: datetime, count: int, step: timedelta = timedelta(minutes=1)) -> list[datetime]:
    return [start + step * place for place in range(count)]


def checked(window: LogWindow, cut: bool = True) -> CheckRecord:
    summary = {"first": window.first, "last": window.last, "cut": cut}
    return CheckRecord("m", window.number, "healthy", window.rows, summary)


def sizes(found: Sequence[LogWindow]) -> list[int]:
    return [window.rows for window in found]


def test_by_count_each_row_once_and_the_rest_is_no_window_yet(empty: Store) -> None:
    policy = WindowPolicy(rows=100, least_rows=50)
    for _ in range(5):  # versions take turns in the log
        log_at(empty, steps(NOW, 51))
        log_at(empty, steps(NOW, 30), number=2)
    found = new_windows(empty, version_of(), policy, [])
    assert sizes(found) == [100, 100]
    rows = [entry.sequence for window in found for entry in read(empty, window)]
    assert rows == [entry.sequence for entry in empty.log.after("m", 0, 200, number=1)]
    assert sizes(new_windows(empty, version_of(2), policy, [])) == [100]
    assert new_windows(empty, version_of(3), policy, []) == []


def test_a_window_is_cut_once(empty: Store) -> None:
    policy = WindowPolicy(rows=100)
    log_at(empty, steps(NOW, 250))
    first, second = new_windows(empty, version_of(), policy, [])
    assert new_windows(empty, version_of(), policy, [checked(first)]) == [second]
    both = [checked(first), checked(second)]
    assert new_windows(empty, version_of(), policy, both) == []
    # Looked at again when labels have come, and by hand over other rows: nothing changes.
    hand = newest_window(empty, version_of(), 120)
    assert hand is not None
    assert hand.rows == 120
    assert new_windows(empty, version_of(), policy, [*both, checked(first), checked(hand, cut=False)]) == []
    log_at(empty, steps(NOW, 60))
    [third] = new_windows(empty, version_of(), policy, [checked(hand, cut=False), *both])
    assert (third.rows, third.first) == (100, second.last + 1)


def test_by_time_a_window_ends_at_midnight_utc(empty: Store) -> None:
    policy = WindowPolicy(every="24h", least_rows=50)
    east = timezone(timedelta(hours=13))
    log_at(empty, [moment.astimezone(east) for moment in steps(NOW, 3 * 24, timedelta(hours=1)) for _ in range(10)])
    found = new_windows(empty, version_of(), policy, [], now=NOW + 3 * DAY - timedelta(seconds=1))
    assert sizes(found) == [240, 240]
    assert [window.since for window in found] == [NOW, NOW + DAY]
    assert found[0].until == NOW + DAY - timedelta(hours=1)
    assert sizes(new_windows(empty, version_of(), policy, [], now=NOW + 3 * DAY + windows.GRACE)) == [240] * 3


def test_a_window_of_too_few_rows_is_joined_with_the_next(empty: Store) -> None:
    policy = WindowPolicy(every="1h", least_rows=50)
    for hour, rows in enumerate((60, 20, 10, 30, 0, 55, 40)):
        log_at(empty, steps(NOW + timedelta(hours=hour), rows, timedelta(seconds=1)))
    found = new_windows(empty, version_of(), policy, [], now=NOW + DAY)
    assert sizes(found) == [60, 60, 55]  # the 40 wait for more
    log_at(empty, steps(NOW + DAY, 10, timedelta(seconds=1)))
    done = [checked(window) for window in found]
    assert sizes(new_windows(empty, version_of(), policy, done, now=NOW + 2 * DAY)) == [50]


def test_clocks_that_jump_back_and_differ_lose_no_row(empty: Store) -> None:
    policy = WindowPolicy(every="1h", least_rows=50)
    steady = steps(NOW, 180)
    slow = [moment - timedelta(minutes=7) for moment in steady]  # another server's clock
    log_at(empty, [moment for pair in zip(steady, slow, strict=True) for moment in pair])
    log_at(empty, steps(NOW + timedelta(minutes=30), 180))  # back by two and a half hours
    found = new_windows(empty, version_of(), policy, [], now=NOW + DAY)
    assert found[0].first == 1
    assert 540 - sum(sizes(found)) < 50  # the rest waits for more
    assert all(later.first == former.last + 1 for former, later in pairwise(found))
    assert min(sizes(found)) >= 50
    assert len(found) <= 8


def test_a_clock_that_was_ahead_does_not_stop_the_windows(empty: Store) -> None:
    policy = WindowPolicy(every="1h", least_rows=50)
    log_at(empty, steps(NOW, 60))
    log_at(empty, steps(NOW + 30 * DAY, 60))  # a month ahead
    log_at(empty, steps(NOW + timedelta(hours=1), 60))
    assert sizes(new_windows(empty, version_of(), policy, [], now=NOW + timedelta(hours=3))) == [60]
    assert sum(sizes(new_windows(empty, version_of(), policy, [], now=NOW + 31 * DAY))) == 180


@pytest.mark.parametrize("chunk", [17, 60, 1_000])
def test_what_is_read_in_chunks_is_what_was_logged(
    store: Store, champion: Version, traffic: pd.DataFrame, log: Log, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = log(store, traffic.head(120))
    odd = traffic.head(3).assign(Contract="never seen", tenure="many")
    log_rows = [*store.log.newest("churn", 120)]
    store.log.write([_with(entry, place, odd) for place, entry in enumerate(log_rows[:3])])
    add_labels(store, ids[:50], traffic["Churn"].tolist()[:50])
    monkeypatch.setattr(predictions, "CHUNK", chunk)
    monkeypatch.setattr(windows, "MOST_CELLS", 40)
    model, entries = load_model(champion.folder), store.log.newest("churn", 200)
    window = newest_window(store, champion, 200)
    assert window is not None
    side, told = read_window(store, model, window)
    whole = window_side(model, entries)
    assert side.rows.issues == whole.rows.issues
    assert {issue.column for issue in side.rows.issues} == {"Contract", "tenure"}
    for name, values in whole.rows.arrays.items():
        np.testing.assert_array_equal(side.rows[name], values)
    for name, values in whole.features.items():
        np.testing.assert_array_equal(side.features[name], values)
    np.testing.assert_array_equal(side.outputs, whole.outputs)
    np.testing.assert_array_equal(side.target, whole.target)
    assert (len(told), told.first, told.last) == (123, entries[0].sequence, entries[-1].sequence)
    assert (told.since, told.until) == (min(e.time for e in entries), max(e.time for e in entries))
    np.testing.assert_array_equal(told.sequences, Entries.of(entries).sequences)
    np.testing.assert_array_equal(told.times, Entries.of(entries).times)
    assert told.flags == {("Contract", "unseen_level"): 3}


def _with(entry: LoggedPrediction, place: int, odd: pd.DataFrame) -> LoggedPrediction:
    cells = {name: odd[name].iloc[place] for name in ("Contract", "tenure")}
    features = {**entry.features, **cells}
    return replace(entry, id=f"odd-{place}", features=features, flags={"Contract": "unseen_level"})


def test_a_check_of_a_window_is_that_of_its_rows(
    store: Store, champion: Version, traffic: pd.DataFrame, log: Log
) -> None:
    log(store, traffic.head(300))
    [window] = new_windows(store, champion, WindowPolicy(rows=300), store.checks.of("churn"))
    found = check_window(store, champion, window, report=False, cut=True)
    same = check_window(store, champion, read(store, window), report=False)
    assert found.outcome.findings == same.outcome.findings
    assert (found.first, found.last, found.rows) == (window.first, window.last, 300)
    assert new_windows(store, champion, WindowPolicy(rows=300), store.checks.of("churn")) == []
