"""What there is to say of a model's data and performance as one file, which needs no server and fetches nothing.

Our findings and curves come first, then Evidently's interactive part in a frame that can reach nothing, the page around
it included.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from automl.errors import DataError
from automl.store import CheckRecord, Store, Version
from automl_monitoring.checking import Check, look
from automl_monitoring.dashboard.app import own_file
from automl_monitoring.dashboard.check_page import about, measures
from automl_monitoring.dashboard.curves import curves_of
from automl_monitoring.dashboard.facts import SHOWN_CHECKS, Facts
from automl_monitoring.dashboard.figures import moment
from automl_monitoring.dashboard.markup import Content, Html, tag
from automl_monitoring.dashboard.model_page import curve_section, found
from automl_monitoring.dashboard.page import badge, retraining, section
from automl_monitoring.windows import newest_window

# The frame inherits it. Evidently draws with scripts that stand in its page.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; img-src data: blob:; "
    "font-src data:"
)


@dataclass(frozen=True)
class DriftReport:
    """What was written of a check that is kept nowhere else; `failed`: why it lacks Evidently's part, if it does."""

    check: Check
    path: Path
    failed: str = ""


def write_drift_report(store: Store, version: Version, rows: int, path: Path) -> DriftReport:
    """Look at the newest `rows` logged rows of a version as a check does, and write the page.

    The store is only read. DataError if nothing was logged.
    """
    from automl_monitoring.evidently_adapter import report_page

    window = newest_window(store, version, rows)
    if window is None:
        raise DataError(
            f"No prediction of {version.name} version {version.number} was logged.",
            f"Serve it with `automl serve {version.name}`, or log with `automl predict --log`.",
        )
    seen = look(store, version, window)
    interactive, failed = "", ""
    if seen.check.verdict != "unknown":
        try:
            interactive = report_page(seen.check, seen.model.schema, (seen.reference, seen.window))
        except Exception as error:  # whatever the renderer dies of, what we found is written
            failed = f"{type(error).__name__}: {error}"
    page = _page(store, version, seen.check, interactive, failed)
    path.write_bytes(page.encode("utf-8", "replace"))
    return DriftReport(seen.check, path, failed)


def _page(store: Store, version: Version, check: Check, interactive: str, failed: str) -> Html:
    now = datetime.now(UTC)
    history = Facts(store).history(version.name, now)
    record = CheckRecord(check.name, check.number, check.verdict, check.rows, check.record(), None, now)
    curves = curves_of([*history.checks, record][-SHOWN_CHECKS:], version.metric, linked=False)
    said = f"Evidently's part is missing: {failed}" if failed else "Too few rows for Evidently's part."
    frame = tag("iframe", srcdoc=interactive, sandbox="allow-scripts", title="Evidently's interactive report")
    told = [retraining(each, now, named=False) for each in history.retrainings]
    content: list[Content] = [
        tag("h1", tag("span", f"{version.name} ", class_="long"), badge(check.verdict)),
        tag("p", f"Written {moment(now)} UTC.", class_="soft"),
        about(record, now),
        section("Findings", *found(record, version.metric), key="findings"),
        *map(curve_section, curves),
        *([section("Retrainings", tag("ul", *told, class_="retrainings"), key="retrainings")] if told else []),
        section("Numbers", measures(record.summary["measures"]), key="numbers"),
        section("Evidently", frame if interactive else tag("p", said, class_="soft"), key="evidently"),
    ]
    style = Html(own_file("dashboard.css").decode("utf-8"))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("title", f"{version.name}: drift"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("style", style),
    )
    return Html("<!doctype html>" + tag("html", head, tag("body", tag("main", *content)), lang="en"))
