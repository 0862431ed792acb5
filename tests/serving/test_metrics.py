"""What Prometheus is told: all requests of all workers, once each, under few labels."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from automl.store import Store
from automl_serving.observed import MOST_CLASSES, Observed
from automl_serving.settings import Options

from .conftest import NAME, register_version
from .sites import open_site, play
from .test_server import READY_SECONDS, Server, running, serve

CLIENTS, EACH = 8, 15


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def total(text: str, name: str, sample: str = "_total", **labels: str) -> float:
    """The sum of the samples of a series that have these labels."""
    family = families(text).get(name)
    return sum(
        each.value
        for each in (family.samples if family else ())
        if each.name == name + sample and labels.items() <= each.labels.items()
    )


def metrics_when(server: Server, holds: Callable[[str], bool]) -> str:
    """The metrics, once they say so."""
    deadline = time.monotonic() + READY_SECONDS
    while not holds(text := server.http.get("/metrics").text):
        assert time.monotonic() < deadline, text
        time.sleep(0.1)
    return text


@pytest.mark.parametrize("engine", ["plain", "bento"] if os.environ.get("AUTOML_FULL") == "1" else ["bento"])
def test_the_metrics_of_all_workers_are_added_up(store: Store, tmp_path: Path, engine: str) -> None:
    register_version(store, 1e-3)
    given: Counter[str] = Counter()
    with running(serve(store, "--workers", "2", "--engine", engine), tmp_path) as server:
        row = server.example()
        odd = {**row, "tenure": 10_000}

        def send() -> None:
            client = Server(server.process, server.output, server.url)
            for _ in range(EACH):
                answer = client.predict(row, odd).json()
                given.update(str(each["prediction"]) for each in answer["predictions"])

        threads = [threading.Thread(target=send) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number in range(50):
            assert server.http.get(f"/nothing-{number}").status_code == 404
        assert server.predict({**row, "tenure": "abc"}).status_code == 422

        requests = CLIENTS * EACH
        version = {"model": NAME, "version": "1"}
        counted = "automl_serving_requests"
        # A worker counts a request when its answer is out, and its log when that is written.
        text = metrics_when(
            server,
            lambda text: (
                total(text, counted, route="predict", **version) > requests
                and total(text, counted, route="other") >= 50
                and total(text, "automl_serving_log_written_rows") >= 2 * requests
            ),
        )
        assert total(text, counted, route="predict", status="200", **version) == requests
        assert total(text, counted, route="predict", status="422", **version) == 1
        assert total(text, counted, route="other", status="404") == 50
        assert total(text, "automl_serving_latency_seconds", "_count", route="predict", **version) == requests + 1
        assert total(text, "automl_serving_flags", flag="out_of_range", **version) == requests
        for shown, rows in given.items():
            found = total(text, "automl_serving_predictions", prediction=shown, role="champion", **version)
            assert found == rows
        assert total(text, "automl_serving_log_dropped_rows") == 0
        assert total(text, "automl_serving_current_version", "", model=NAME) == 1
        assert {sample.labels["route"] for sample in families(text)[counted].samples} <= {
            *("predict", "page", "other", "metrics", "livez", "readyz", "live", "ready"),
        }
        assert total(text, "automl_serving_log_written_rows") == 2 * requests
        assert server.stop() == 0


def test_every_version_has_its_own_series(store: Store) -> None:
    register_version(store, 1e-3)
    register_version(store, 10.0)

    async def scenario() -> None:
        async with open_site(store, options=Options()) as served:
            row = await served.example()
            await served.predict(row)
            await served.predict(row, below=f"/models/{NAME}/versions/2")
            store.versions.point(NAME, "champion", 2, "test")
            served.endpoint.refresh()
            await served.predict(row)
            text = (await served.http.get("/metrics")).text
            for number, requests in (("1", 1), ("2", 2)):
                assert total(text, "automl_serving_requests", route="predict", version=number) == requests
            assert total(text, "automl_serving_current_version", "", model=NAME) == 2

    play(scenario)


def test_what_the_guard_refuses_is_counted_too(store: Store) -> None:
    register_version(store, None)

    async def scenario() -> None:
        async with open_site(store, options=Options(admin=True)) as served:
            answer = await served.http.post(f"/admin/models/{NAME}/rollback", json={"why": "x"})
            assert answer.status_code == 401
            text = (await served.http.get("/metrics")).text
            assert total(text, "automl_serving_requests", route="admin", status="401") == 1

    play(scenario)


def test_many_classes_are_few_labels(store: Store) -> None:
    register_version(store, 1e-3)
    observed = Observed()
    meter = observed.meter(NAME, 1)

    async def scenario() -> None:
        async with open_site(store) as served:
            await served.predict(*[await served.example()] * (MOST_CLASSES + 30))

    play(scenario)
    entries = store.log.newest(NAME, 1_000)
    meter.answered([replace(entry, prediction=f"class {place}") for place, entry in enumerate(entries)], "champion")
    text = observed.text().decode()
    classes = [sample for sample in families(text)["automl_serving_predictions"].samples if "_total" in sample.name]
    assert len(classes) == MOST_CLASSES + 1
    assert total(text, "automl_serving_predictions", prediction="other") == 30
    # What has no probabilities is a number, and has no label at all.
    observed.meter(NAME, 2).answered(
        [replace(entry, prediction=0.5, probabilities=None) for entry in entries], "champion"
    )
    assert total(observed.text().decode(), "automl_serving_predictions", prediction="", version="2") == len(entries)
