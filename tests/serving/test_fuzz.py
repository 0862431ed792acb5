"""The OpenAPI document is kept: schemathesis sends what it allows and what it forbids, and judges every answer.

AUTOML_FUZZ_CASES sets the number of cases of each operation; the seed is fixed.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from starlette.types import ASGIApp

from automl.store import Store
from automl_serving.app import make_app
from automl_serving.assets import swagger_assets
from automl_serving.context import Context
from automl_serving.served import load_served
from automl_serving.settings import Options

from .conftest import NAME, register_version

CASES = int(os.environ.get("AUTOML_FUZZ_CASES", "60"))
ROUTES = ("/predict", "/explain", "/feedback")
# What the document cannot say in JSON Schema's own words.
FORMATS = {
    "moment": st.dates().map(lambda day: day.strftime("%Y-%m-%d")),
    "amount": st.integers(-(10**9), 10**9).map(str),
}


@pytest.fixture(scope="module", params=[False, True], ids=["lenient", "strict"])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ASGIApp]:
    """The app of a small real model, which takes further fields and unseen levels or not."""
    store = Store(tmp_path_factory.mktemp("fuzz"))
    version = register_version(store, 1e-3)
    served = load_served(NAME, version.number, version.folder)
    yield make_app(served, Context(swagger_assets(), labels=store.log, options=Options(strict=request.param)))
    store.close()


@pytest.fixture(scope="module")
def document(app: ASGIApp) -> Any:
    """The app's OpenAPI document as schemathesis reads it."""
    for name, strategy in FORMATS.items():
        schemathesis.openapi.format(name, strategy)
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "forbidden"])
def test_every_answer_is_what_the_document_says(document: Any, route: str, mode: GenerationMode) -> None:
    operation = document[route]["POST"]
    statuses: Counter[int] = Counter()

    @seed(0)
    @settings(
        max_examples=max(CASES // 2, 1),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def judged(case: Any) -> None:
        statuses[case.call_and_validate().status_code] += 1

    judged()
    told = f"{route}, {mode.name.lower()}: {statuses.total():,} cases, by status {dict(sorted(statuses.items()))}\n"
    sys.stdout.write(told)  # shown by pytest -s


def test_the_corners_of_the_document_are_kept(document: Any) -> None:
    """Boundaries, missing parts, methods that are not there: schemathesis's coverage phase."""
    from schemathesis.engine import from_schema

    document.config.phases.update(phases=["coverage"])
    failures = []
    for event in from_schema(document).execute():
        failures += _failures_of(event)
    assert not failures, "\n\n".join(failures)


def _failures_of(event: Any) -> list[str]:
    recorder = getattr(event, "recorder", None)
    if recorder is None:
        return []
    return [
        f"{node.failure_info.failure}\n{node.failure_info.code_sample}"
        for checks in recorder.checks.values()
        for node in checks
        if node.failure_info is not None
    ]
