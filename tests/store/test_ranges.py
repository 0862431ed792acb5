"""The log read by ranges: after a row, between moments, in chunks; nothing is passed over, nothing read twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from automl.store import LoggedPrediction, Span, Store, predictions
from automl.store.predictions import SHADOW, entries_of
from tests.postgres import Postgres

START = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)


def logged(place: int, number: int = 1, role: str = "champion", name: str = "churn") -> LoggedPrediction:
    moment = START + timedelta(minutes=place)
    return LoggedPrediction(f"{name}-{place}", moment, name, number, {"x": place}, "Yes", {"Yes": 1.0}, role=role)


@pytest.fixture
def filled(store: Store) -> Store:
    """Forty rows: two versions take turns, every tenth row is a shadow's, another model's rows lie between."""
    for place in range(40):
        entry = logged(place, 1 + place % 2, SHADOW if place % 10 == 9 else "champion")
        store.log.write([entry, logged(place, name="other")])
    store.log.add_labels("churn", [("churn-4", "Yes")], "crm")
    return store


def places(entries: list[LoggedPrediction]) -> list[int]:
    return [entry.features["x"] for entry in entries]


def test_rows_after_a_row(filled: Store) -> None:
    first = filled.log.after("churn", 0, 3)
    assert places(first) == [0, 1, 2]
    assert places(filled.log.after("churn", first[-1].sequence, 2, number=1)) == [4, 6]
    assert places(filled.log.after("churn", 0, 99, labelled_only=True)) == [4]
    assert places(filled.log.after("churn", 0, 2, roles=[SHADOW])) == [9, 19]
    assert filled.log.after("churn", 10_000, 5) == []
    last = filled.log.newest("churn", 1)[0].sequence
    assert filled.log.count("churn", number=1, after=first[0].sequence) == 19
    assert filled.log.count("churn", after=last) == 0


@pytest.mark.parametrize("chunk", [1, 7, 18, 20, 1_000])
def test_a_scan_meets_every_row_once(filled: Store, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "CHUNK", chunk)
    ends = filled.log.newest_places("churn", 99, number=1)
    assert ends is not None
    chunks = list(filled.log.scan("churn", *ends, number=1))
    assert all(len(each["id"]) <= chunk for each in chunks)
    assert [entry for each in chunks for entry in entries_of(each)] == filled.log.newest("churn", 99, number=1)
    assert list(filled.log.scan("churn", ends[1] + 1, 10_000)) == []


def test_spans_and_places(filled: Store) -> None:
    everything = filled.log.newest("churn", 99, number=1)
    first, last = everything[0], everything[-1]
    span = filled.log.span("churn", 0, 10_000, number=1)
    assert span == Span(first.sequence, last.sequence, 20, first.time, last.time)
    assert filled.log.span("churn", last.sequence + 1, 10_000, number=1) is None
    third = everything[2]
    assert filled.log.place("churn", first.sequence, 2, number=1) == (third.sequence, third.time)
    assert filled.log.place("churn", 0, 21, number=1) is None
    at = filled.log.place("churn", 0, 1, number=1, since=START + timedelta(minutes=5))
    assert at == (everything[3].sequence, everything[3].time)
    assert filled.log.newest_places("churn", 2, number=1) == (everything[-2].sequence, last.sequence)
    assert filled.log.newest_places("nobody", 2) is None


def test_rows_between_moments(filled: Store) -> None:
    span = filled.log.between("churn", START + timedelta(minutes=2), START + timedelta(minutes=6))
    assert span is not None
    assert (span.rows, span.since, span.until) == (4, START + timedelta(minutes=2), START + timedelta(minutes=5))
    assert filled.log.between("churn", START - timedelta(days=1), START) is None
    by_version = filled.log.between("churn", START, START + timedelta(minutes=6), number=2)
    assert by_version is not None
    assert by_version.rows == 3


def test_labels_say_who_sent_them_and_when(filled: Store) -> None:
    [entry] = filled.log.newest("churn", 9, labelled_only=True)
    assert (entry.label, entry.label_source) == ("Yes", "crm")
    assert entry.label_time is not None
    assert abs(entry.label_time - datetime.now(UTC)) < timedelta(minutes=5)
    unlabelled = filled.log.newest("churn", 1)[0]
    assert (unlabelled.label, unlabelled.label_source, unlabelled.label_time) == (None, "", None)
    assert filled.log.label_counts("churn") == {"Yes": 1}
    assert filled.log.label_counts("churn", entry.label_time) == {"Yes": 1}
    assert filled.log.label_counts("churn", entry.label_time + timedelta(seconds=1)) == {}


def test_nothing_comes_before_what_is_settled(store: Store) -> None:
    """Whatever many writers do: once a number is settled, no row with a smaller one appears."""
    assert store.log.settled() == 0

    def write(writer: int) -> None:
        for turn in range(10):
            store.log.write([replace(logged(place), id=f"{writer}-{turn}-{place}") for place in range(20)])

    def rows_to(last: int) -> int:
        span = store.log.span("churn", 0, last)
        return 0 if span is None else span.rows

    settled: list[tuple[int, int]] = []
    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, writer) for writer in range(4)]
        while not all(writer.done() for writer in writers):
            last = store.log.settled()
            settled.append((last, rows_to(last)))
        for writer in writers:
            writer.result()
    for last, rows in settled:
        assert rows_to(last) == rows
    assert store.log.settled() == store.log.newest("churn", 1)[0].sequence


def test_a_row_that_is_not_committed_yet_is_waited_for(tmp_path: Path, postgres: Postgres) -> None:
    """PostgreSQL gives numbers out before the rows that have them can be seen."""
    store = Store(tmp_path, postgres.new_database())
    store.log.write([logged(0)])
    with ThreadPoolExecutor(1) as pool:
        with store.engine.begin() as open_one:  # a writer that has its number and takes its time
            open_one.execute(text("SELECT nextval(pg_get_serial_sequence('predictions', 'sequence'))"))
            open_one.execute(text("LOCK TABLE predictions IN ROW EXCLUSIVE MODE"))
            asked = pool.submit(store.log.settled)
            assert not asked.done()
        assert asked.result(timeout=30) == 1
    store.close()


def test_the_ranges_are_found_by_their_index(filled: Store) -> None:
    if filled.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL reads a small table whole")
    plan = "EXPLAIN QUERY PLAN SELECT sequence, time FROM predictions WHERE name = 'churn' AND number = 1 AND role IN"
    with filled.engine.connect() as connection:
        for more in ("ORDER BY sequence LIMIT 1", "AND time >= '2026-03-29' ORDER BY sequence LIMIT 1"):
            rows = connection.execute(text(f"{plan} ('champion') AND sequence > 3 {more}")).all()
            assert "COVERING INDEX predictions_of_version" in rows[0][3]
            assert not any("TEMP B-TREE" in row[3] for row in rows)
