"""`automl report`: one file that holds everything and fetches nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from automl.cli import build_app
from automl.errors import AutoMLError
from automl.store import Store
from tests.monitoring.seeded import COLUMN, MARKUP, NAME, STRANGE, WINDOW
from tests.monitoring.test_dashboard import Parts


def run(*words: str) -> None:
    build_app()(["report", *words], standalone_mode=False)


def test_drift_is_one_file_with_findings_curves_and_evidentlys_part(seeded: Store, tmp_path: Path) -> None:
    path, checks = tmp_path / "drift.html", len(seeded.checks.of(STRANGE))
    run(STRANGE, "--drift", "--window", str(WINDOW), "-o", str(path), "--store", str(seeded.folder))
    page = path.read_text(encoding="utf-8")
    ours, _, evidently = page.partition("<iframe")
    assert "sandbox" in evidently
    assert len(evidently) > 1_000_000
    assert "Findings" in ours
    assert "<svg" in ours
    text = Parts(ours).text
    assert COLUMN in text
    assert all(reason in text for reason in seeded.checks.of(STRANGE)[-1].summary["reasons"][:1])
    assert MARKUP not in page, "neither in ours nor in what the frame holds"
    assert Parts(ours).addresses == []
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', ours)
    assert policy is not None
    assert "default-src &#x27;none&#x27;" in policy[1]
    assert "connect-src" not in policy[1]
    assert len(seeded.checks.of(STRANGE)) == checks, "the store is only read"


def test_without_drift_it_is_the_report_of_the_fit(seeded: Store, tmp_path: Path) -> None:
    path = tmp_path / "fit.html"
    run(NAME, "--output", str(path), "--store", str(seeded.folder))
    written = seeded.runs_folder / seeded.versions.find(NAME).run / "report.html"
    assert path.read_bytes() == written.read_bytes()


def test_what_cannot_be_written_or_is_not_there_is_said(seeded: Store, tmp_path: Path) -> None:
    with pytest.raises(AutoMLError, match="cannot be written"):
        run(NAME, "-o", str(tmp_path / "nowhere" / "page.html"), "--store", str(seeded.folder))
    with pytest.raises(AutoMLError, match="nobody"):
        run("nobody", "--drift", "--store", str(seeded.folder))
