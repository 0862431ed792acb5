"""The dashboard as a real process over a store that the loop has filled: pages, policies, read-only, a clean end."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import urllib.parse
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from automl.store import Store
from automl_monitoring.dashboard.metrics import MOST_MODELS, PREFIX, SERIES
from tests.monitoring.dashboards import DEADLINE_S, Dashboard, command, running
from tests.monitoring.seeded import COLUMN, MARKUP, NAME, STRANGE


class Parts(HTMLParser):
    """The addresses, the scripts and the inline styles of a page, and the text of all cells and paragraphs."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.forbidden: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [value for name in ("href", "src", "action") if (value := given.get(name))]
        self.forbidden += [name for name in given if name == "style" or name.startswith("on")]
        self.forbidden += [tag] if tag in ("script", "style", "form", "img", "iframe") else []

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def dashboard(seeded: Store) -> Iterator[Dashboard]:
    with running(seeded.folder) as found:
        yield found


def pages(store: Store) -> list[str]:
    checks = [
        f"/models/{each.name}/checks/{each.sequence}" for name in (NAME, STRANGE) for each in store.checks.of(name)
    ]
    return ["/", f"/models/{NAME}", f"/models/{STRANGE}", *checks]


def test_the_overview_tells_each_model_its_verdict_and_the_retraining(dashboard: Dashboard, seeded: Store) -> None:
    text = Parts(dashboard.http.get("/").text).text
    assert text.index(STRANGE) < text.index(NAME), "what needs action comes first"
    newest = seeded.checks.of(STRANGE)[-1]
    assert newest.verdict == "act"
    assert newest.summary["reasons"][0] in text
    assert "promoted" in text
    decision = seeded.decisions.of(NAME)[-1]
    assert decision.why in text
    figures = decision.record["parts"][0]["figures"]
    assert f"+{figures['challenger'] - figures['champion']:.4g}" in text


def test_the_page_of_a_model_has_curves_versions_and_the_trail(dashboard: Dashboard, seeded: Store) -> None:
    page = dashboard.http.get(f"/models/{NAME}").text
    text = Parts(page).text
    checks = seeded.checks.of(NAME)
    assert page.count(f'href="/models/{NAME}/checks/{checks[0].sequence}"') > 5, (
        "each curve has a mark that leads there"
    )
    for heading in ("Performance", "Drift of the answers", "Drift by column", "Retrainings", "Versions", "Audit trail"):
        assert heading in text
    assert all(entry.why in text for entry in seeded.audit.of(NAME))
    assert all(part["what"] in text for part in seeded.decisions.of(NAME)[-1].record["parts"])


def test_the_page_of_a_check_has_all_findings_and_leads_to_evidentlys_report(
    dashboard: Dashboard, seeded: Store
) -> None:
    reported = [check for check in seeded.checks.of(NAME) if check.report]
    assert [check.verdict for check in reported] == ["act"], "reports are written on alarm"
    path = f"/models/{NAME}/checks/{reported[0].sequence}"
    text = Parts(dashboard.http.get(path).text).text
    assert all(finding["what"] in text for finding in reported[0].summary["findings"])
    report = dashboard.http.get(f"{path}/report")
    assert len(report.content) > 1_000_000
    assert "sandbox allow-scripts" in report.headers["content-security-policy"]
    healthy = next(check for check in seeded.checks.of(NAME) if not check.report)
    assert dashboard.http.get(f"/models/{NAME}/checks/{healthy.sequence}/report").status_code == 404


def test_no_page_runs_or_loads_anything_and_names_are_never_markup(dashboard: Dashboard, seeded: Store) -> None:
    for path in pages(seeded):
        answer = dashboard.http.get(path)
        assert answer.status_code == 200, path
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert "script-src" not in policy
        assert "unsafe" not in answer.headers["content-security-policy"]
        parts = Parts(answer.text)
        assert parts.forbidden == [], path
        assert all(address.startswith(("/", "?", "#")) for address in parts.addresses)
        assert MARKUP not in answer.text
    assert COLUMN in Parts(dashboard.http.get(f"/models/{STRANGE}").text).text


def test_every_link_leads_somewhere(dashboard: Dashboard, seeded: Store) -> None:
    found = {link for path in pages(seeded) for link in Parts(dashboard.http.get(path).text).addresses}
    inside = {link for link in found if link.startswith("/") and not link.startswith("/evidently")}
    assert len(inside) > 8
    for link in inside:
        assert dashboard.http.head(link).status_code == 200, link


def test_what_a_client_has_is_not_sent_again(dashboard: Dashboard) -> None:
    first = dashboard.http.get("/static/dashboard.css")
    again = dashboard.http.get("/static/dashboard.css", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert dashboard.http.get("/", headers={"If-None-Match": '"other"'}).status_code == 200


def test_pages_are_renewed_unless_held(dashboard: Dashboard) -> None:
    assert '<meta http-equiv="refresh" content="30"/>' in dashboard.http.get("/").text
    assert "http-equiv" not in dashboard.http.get("/?refresh=0").text
    assert 'content="30"' in dashboard.http.get("/?refresh=-1").text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(dashboard: Dashboard, method: str) -> None:
    for path in (
        "/",
        f"/models/{NAME}",
        "/metrics",
        "/evidently/",
        "/evidently/api/projects",
        "/evidently/api/v2/projects",
    ):
        assert dashboard.http.request(method, path).status_code == 405, path


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/models/nobody",
        f"/models/{NAME}/checks/99999",
        f"/models/{NAME}/checks/x",
        f"/models/{urllib.parse.quote(MARKUP, safe='')}",
        "/static/app.py",
        "/static/..%2fapp.py",
        f"/models/{STRANGE}/checks/1",
    ],
)
def test_what_is_not_there_is_said_on_a_page(dashboard: Dashboard, path: str) -> None:
    answer = dashboard.http.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert MARKUP not in answer.text
    assert Parts(answer.text).forbidden == []


def test_a_strangers_name_for_this_machine_is_refused(dashboard: Dashboard) -> None:
    assert dashboard.http.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_it_is_alive(dashboard: Dashboard) -> None:
    assert dashboard.http.get("/live").json() == dashboard.http.get("/healthz").json() == {"live": True}


def test_prometheus_is_told_of_each_model(dashboard: Dashboard, seeded: Store) -> None:
    told = dashboard.http.get("/metrics")
    assert told.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = told.text.splitlines()
    for name in SERIES:
        assert any(line.startswith(f"# HELP {PREFIX}_{name}") for line in lines), name
    samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(samples[f'{PREFIX}_verdict{{model="{STRANGE}"}}']) == 2
    assert float(samples[f'{PREFIX}_retrainings_total{{model="{NAME}",outcome="promoted"}}']) == 1
    assert float(samples[f'{PREFIX}_logged_rows_total{{model="{NAME}"}}']) == seeded.log.count(NAME)
    champion = seeded.versions.find(NAME).number
    assert float(samples[f'{PREFIX}_champion_version{{model="{NAME}"}}']) == champion > 1
    shares = [float(value) for name, value in samples.items() if name.startswith(f"{PREFIX}_labelled_share")]
    assert all(0 < share <= 1 for share in shares)
    assert len(lines) < 40 * MOST_MODELS
    for line in lines:
        assert re.fullmatch(r'(# (HELP|TYPE) .*)|(\w+(\{(\w+="(\\.|[^"\\])*",?)*\})? [-+.\deEnaINf]+)', line), line


def test_it_says_what_to_do_and_stops_cleanly_where_nothing_was_checked(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with running(tmp_path) as dashboard:
        assert "automl fit" in dashboard.http.get("/").text
        assert dashboard.http.get("/metrics").status_code == 200
        dashboard.process.send_signal(signal.SIGINT)
        assert dashboard.process.wait(DEADLINE_S) == 0


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        words = command(tmp_path, "--port", str(taken.getsockname()[1]))
        done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "--port" in done.stderr
