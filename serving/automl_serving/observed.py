"""What Prometheus is told of a server: requests, latency, predicted classes, flags, the log, the current version.

The workers of one server share a folder of counters (PROMETHEUS_MULTIPROC_DIR), so any of them tells for all;
without that folder a process tells for itself. The cardinality of every label is bounded: routes and kinds of
flags are fixed lists, versions are those that exist, and classes beyond the first few are one.
"""

from __future__ import annotations

import glob
import os
import re
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.types import Scope

from automl.store import LoggedPrediction
from automl_serving.log import LogCounts

if TYPE_CHECKING:
    from automl_serving.tried import Tried

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "automl_serving"
MOST_CLASSES = 50
OTHER = "other"
CLOSED = "closed"  # the status of a request whose client left before an answer began
# Seconds. A tabular answer takes about a millisecond, a batch of images tens of seconds.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROUTES: Mapping[str, str] = {
    **{f"/{name}": name for name in ("predict", "explain", "feedback", "schema", "model")},
    **{f"/{name}": name for name in ("live", "ready", "livez", "readyz", "metrics", "models")},
    **dict.fromkeys(("/", "/docs", "/openapi.json"), "page"),
}


def path_of(scope: Scope) -> str:
    """The path of a request below where its app is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] if root and path.startswith(root) else path


def route_of(path: str) -> str:
    """The route that a path below a model asks for: one of a short list."""
    return ROUTES.get(path) or ("page" if path.startswith(("/docs/", "/static/")) else OTHER)


class Observed:
    """The series of one server process. Make it where the requests are answered, not in the process that starts it."""

    def __init__(self) -> None:
        # Here, since it decides at import between one process and many.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = registry = CollectorRegistry()
        version = ("model", "version")
        self.requests = Counter(
            f"{PREFIX}_requests", "Requests answered.", (*version, "route", "status"), registry=registry
        )
        self.latency = Histogram(
            f"{PREFIX}_latency_seconds",
            "Time from a request's headers to the end of its answer.",
            (*version, "route"),
            buckets=BUCKETS,
            registry=registry,
        )
        self.predictions = Counter(
            f"{PREFIX}_predictions", "Rows answered, by class.", (*version, "role", "prediction"), registry=registry
        )
        self.flags = Counter(f"{PREFIX}_flags", "Flags of rows, by kind.", (*version, "flag"), registry=registry)
        self._current = Gauge(
            f"{PREFIX}_current_version",
            "The version that answers.",
            ("model",),
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self._tried_version = Gauge(
            f"{PREFIX}_tried_version",
            "The version that is tried beside the current one, by stage; 0 for none.",
            ("model", "stage"),
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self._canary_share = Gauge(
            f"{PREFIX}_canary_share",
            "The share of requests that the version in its canary stage answers.",
            ("model",),
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self._open = self._gauge("open_requests", "Requests being answered.")
        self._waiting = self._gauge("log_waiting_rows", "Rows that wait to be written to the prediction log.")
        self._spilt = self._gauge("log_spilt_rows", "Rows that wait in a file until the log's database is back.")
        self._written = Counter(f"{PREFIX}_log_written_rows", "Rows in the prediction log.", registry=registry)
        self._dropped = Counter(f"{PREFIX}_log_dropped_rows", "Rows lost to the prediction log.", registry=registry)
        self._told = (0, 0)  # rows written and dropped, so far
        self.open_requests = 0
        forget_dead_processes()

    def _gauge(self, name: str, help_text: str) -> Any:
        from prometheus_client import Gauge

        return Gauge(f"{PREFIX}_{name}", help_text, registry=self.registry, multiprocess_mode="livesum")

    def meter(self, name: str, number: int | None) -> Meter:
        """The series of one version; of what no version answers without a number."""
        return Meter(self, name, "" if number is None else str(number))

    def note_version(self, name: str, number: int) -> None:
        """A version has begun to answer."""
        self._current.labels(name).set(number)

    def note_tried(self, name: str, tried: Tried | None) -> None:
        """A version is tried from now on, or none any more."""
        for stage in ("shadow", "canary"):
            number = tried.number if tried is not None and tried.stage == stage else 0
            self._tried_version.labels(name, stage).set(number)
        self._canary_share.labels(name).set(tried.share if tried is not None else 0.0)

    def note_log(self, counts: LogCounts) -> None:
        """How the prediction log of this process stands."""
        self._waiting.set(counts.waiting)
        self._spilt.set(counts.spilt)
        for counter, place, rows in ((self._written, 0, counts.written), (self._dropped, 1, counts.dropped)):
            counter.inc(rows - self._told[place])
        self._told = (counts.written, counts.dropped)

    def text(self) -> bytes:
        """All series in the text format of Prometheus, those of the other workers included."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        self._open.set(self.open_requests)
        if FOLDER_VARIABLE not in os.environ:
            return generate_latest(self.registry)
        everyone = CollectorRegistry()
        MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]
        return generate_latest(everyone)


class Meter:
    """The series of one version, found once and kept: a request costs a few microseconds."""

    def __init__(self, observed: Observed, name: str, number: str) -> None:
        self._observed = observed
        self._version = (name, number)
        self._requests: dict[tuple[str, int], Any] = {}
        self._latency: dict[str, Any] = {}
        self._predictions: dict[tuple[str, Any], Any] = {}
        self._flags: dict[str, Any] = {}

    def request(self, route: str, status: int, seconds: float | None = None) -> None:
        """A request has ended; how long it took counts where it says something. `status` 0: without an answer."""
        counter = self._requests.get((route, status))
        if counter is None:
            counter = self._observed.requests.labels(*self._version, route, str(status) if status else CLOSED)
            self._requests[route, status] = counter
        counter.inc()
        if seconds is None:
            return
        latency = self._latency.get(route)
        if latency is None:
            latency = self._latency[route] = self._observed.latency.labels(*self._version, route)
        latency.observe(seconds)

    def answered(self, entries: Sequence[LoggedPrediction], role: str) -> None:
        """Rows were predicted, by the champion, as a canary or as a shadow."""
        if len(entries) == 1:  # nearly always, and a tally costs more than all the rest
            self._class(role, _class_of(entries[0])).inc()
        else:
            for prediction, rows in Tally(map(_class_of, entries)).items():
                self._class(role, prediction).inc(rows)
        flags = [kind for entry in entries if entry.flags for kind in entry.flags.values()]
        for flag, count in Tally(flags).items() if flags else ():
            if flag not in self._flags:
                self._flags[flag] = self._observed.flags.labels(*self._version, flag)
            self._flags[flag].inc(count)

    def _class(self, role: str, prediction: str) -> Any:
        counter = self._predictions.get((role, prediction))
        if counter is None:
            shown = prediction if len(self._predictions) < MOST_CLASSES else OTHER
            counter = self._observed.predictions.labels(*self._version, role, shown)
            self._predictions[role, shown] = counter
        return counter


def _class_of(entry: LoggedPrediction) -> str:
    """The predicted class; nothing for a number, of which there are too many."""
    return "" if entry.probabilities is None else str(entry.prediction)


def forget_dead_processes() -> None:
    """Drop the gauges of workers that were killed: nobody else does, and they would be added up for ever."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return
    from prometheus_client.multiprocess import mark_process_dead

    for path in glob.glob(os.path.join(glob.escape(folder), "gauge_live*_*.db")):
        found = re.search(r"_(\d+)\.db$", path)
        if found and not os.path.exists(f"/proc/{found[1]}"):
            mark_process_dead(int(found[1]))  # type: ignore[no-untyped-call]
