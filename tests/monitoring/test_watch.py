"""`automl watch` as a real process: killed at points of a retraining, stopped, without its database, one of two.

AUTOML_FULL=1 kills ten times and takes the database away for a minute.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.cli import build_app
from automl.errors import NotFoundError, OptionError
from automl.store import CHALLENGER, CHAMPION, PREVIOUS, Store, Version
from automl_monitoring.replay import replay
from automl_monitoring.watching.daemon import WatchRequest, watch
from automl_monitoring.watching.lease import Lease, is_dead, lease_name
from automl_monitoring.watching.priority import NICE
from tests.monitoring.conftest import Log, add_labels
from tests.postgres import Postgres

FULL = os.environ.get("AUTOML_FULL") == "1"
AWAY_SECONDS = 60 if FULL else 3
PATIENCE_S = 240.0
# (stage of the job, seconds after it was seen) at which the watch is killed, one after another, in one retraining.
SHORT = (("training", 1.0), ("judging", 0.5))
LONG = (
    ("planned", 0.0),
    ("planned", 1.0),
    ("training", 0.0),
    ("training", 1.0),
    ("training", 3.0),
    ("training", 5.0),
    ("judging", 0.0),
    ("judging", 1.0),
    ("judging", 2.0),
    ("judging", 3.0),
)
POLICY = """
[window]
rows = 250
[retrain]
time = "9s"
least_labels = 200
least_judges = 60
"""


@dataclass
class Watcher:
    """A watch in a process of its own, and what it has said."""

    folder: Path
    policy: Path
    options: tuple[str, ...] = ("--every", "1s")
    database: str = ""
    process: subprocess.Popen[str] = field(init=False)

    def __enter__(self) -> Watcher:
        command = ["watch", "churn", "--store", str(self.folder), "--policy", str(self.policy), *self.options]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "automl.cli", *command],
            stdout=(self.folder / "said").open("w"),
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "AUTOML_DATABASE": self.database} if self.database else None,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text()


def wait_until(true: Callable[[], bool], watcher: Watcher) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, watcher.said
        assert watcher.process.poll() is None, watcher.said
        time.sleep(0.02)


def stage_of(store: Store) -> str:
    jobs = store.jobs.of("churn")
    return jobs[-1].stage if jobs else ""


def workers(watcher: Watcher) -> list[int]:
    """Processes that do a stage for this watch, or did for it when it was alive."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0") if folder.name.isdigit() else []
        except OSError:
            continue
        if words[2:4] == [b"automl_monitoring.watching.worker", str(watcher.process.pid).encode()]:
            found.append(int(folder.name))
    return found


def steps_aside(process: int) -> bool:
    """Does whatever is as important as usual come before this process, also where sessions share the cores?"""
    group = Path(f"/proc/{process}/autogroup")
    try:
        behind = not group.exists() or int(group.read_text().split()[-1]) >= NICE
        return behind and os.getpriority(os.PRIO_PROCESS, process) >= NICE
    except (OSError, IndexError):  # it has ended
        return False


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def fallen(store: Store, traffic: pd.DataFrame, log: Log) -> Store:
    """A store whose labels say that the model is no good any more, and what would be."""
    rows = traffic.head(500)
    labels = rows["gender"].map({"Female": "Yes", "Male": "No"}).to_numpy()
    kept = np.random.default_rng(0).random(len(rows)) < 0.3
    labels[kept] = rows["Churn"].to_numpy()[kept]
    add_labels(store, log(store, rows), labels.tolist())
    return store


def check_whole(store: Store) -> None:
    """One champion, and all that is written hangs together."""
    aliases = store.versions.aliases("churn")
    assert aliases[CHAMPION] in {version.number for version in store.versions.of("churn")}
    promoted = [entry.number for entry in store.audit.of("churn") if entry.action == "promote"]
    assert aliases[CHAMPION] == promoted[-1]
    assert store.decisions.broken("churn") == []
    for version in store.versions.of("churn"):
        store.versions.find("churn", version.number)  # whose files are those that were registered


@pytest.mark.slow
def test_killed_at_points_of_a_retraining_it_is_finished(fallen: Store, policy: Path) -> None:
    for stage, seconds in LONG if FULL else SHORT:
        with Watcher(fallen.folder, policy) as watcher:
            wait_until(lambda stage=stage: stage_of(fallen) in (stage, "promoted", "kept", "failed"), watcher)
            time.sleep(seconds)
            watcher.process.send_signal(signal.SIGKILL)
            watcher.process.wait()
        deadline = time.monotonic() + PATIENCE_S
        while workers(watcher):  # they die with their watch
            assert time.monotonic() < deadline
            time.sleep(0.02)
        check_whole(fallen)
        assert len(fallen.jobs.of("churn")) == 1
        if fallen.jobs.of("churn")[-1].ended:
            break
    with Watcher(fallen.folder, policy, ("--once",)) as watcher:
        assert watcher.process.wait(PATIENCE_S) == 0, watcher.said
    check_whole(fallen)
    [job] = fallen.jobs.of("churn")
    # A busy machine may train too little in these seconds to be promoted: then the champion is kept, which is as whole.
    numbers = [version.number for version in fallen.versions.of("churn")]
    assert numbers in ([1, 2], [1, 2, 3])  # the third is the second, taught on its judges too, where there was time
    ends = {"promoted": {CHAMPION: numbers[-1], PREVIOUS: 1}, "kept": {CHAMPION: 1, CHALLENGER: 2}}
    assert fallen.versions.aliases("churn") == ends[job.stage], job.detail["ended_why"]
    runs = [path for path in fallen.runs_folder.iterdir() if not path.name.startswith(".")]
    assert len(runs) == len(numbers)  # one for all attempts
    gate = {"promoted": "promote", "kept": "keep"}[job.stage]
    assert [(each.outcome, each.equal) for each in replay(fallen, "churn")] == [("retrain", True), (gate, True)]
    states = [(alert.state, alert.subject) for alert in fallen.alerts.of("churn")]
    assert states[-2:] == [("retrained", "job 1"), (job.stage, "job 1")]
    assert len(set(states)) == len(states)


def test_a_signal_stops_it_and_the_next_goes_on(fallen: Store, policy: Path) -> None:
    with Watcher(fallen.folder, policy) as watcher:
        wait_until(lambda: bool(workers(watcher)), watcher)
        stage = stage_of(fallen)
        watcher.process.send_signal(signal.SIGTERM)
        assert watcher.process.wait(PATIENCE_S) == 0
        assert "Stopped." in watcher.said
    assert fallen.leases.holder(lease_name("churn")) is None
    assert not workers(watcher)
    assert stage_of(fallen) == stage
    check_whole(fallen)


def test_serving_comes_before_what_it_begins(fallen: Store, policy: Path) -> None:
    with Watcher(fallen.folder, policy) as watcher:
        wait_until(lambda: any(map(steps_aside, workers(watcher))), watcher)
        assert os.getpriority(os.PRIO_PROCESS, watcher.process.pid) >= NICE


def test_one_of_two_watches_and_the_other_takes_over(store: Store, policy: Path) -> None:
    name = lease_name("churn")
    with Watcher(store.folder, policy) as first:
        wait_until(lambda: store.leases.holder(name) is not None, first)
        holder = store.leases.holder(name)
        assert holder is not None
        with pytest.raises(OptionError, match="is being watched by"):
            watch(store, WatchRequest("churn", once=True), print)
        assert not is_dead(holder)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        assert is_dead(holder)
        lines: list[str] = []
        watch(store, WatchRequest("churn", once=True), lines.append)
        assert lines == ["Nothing is left to do."]
    assert store.leases.holder(name) is None


def test_the_lease_of_another_machine_is_waited_for(store: Store) -> None:
    lease = Lease(store, "churn", seconds=60)
    assert store.leases.take(lease.name, "elsewhere-1-abcd", 60)
    assert not lease.take()
    assert not is_dead("elsewhere-1-abcd")
    store.leases.release(lease.name, "elsewhere-1-abcd")
    assert lease.take()
    lease.release()


def test_it_outlives_its_database(
    champion: Version, policy: Path, tmp_path: Path, postgres: Postgres, log: Log, traffic: pd.DataFrame
) -> None:
    url = postgres.new_database()
    served = Store(tmp_path / "served", database=url)
    served.runs_folder.mkdir()
    shutil.copytree(champion.folder, served.runs_folder / "copy")
    served.versions.register(replace(champion, folder=served.runs_folder / "copy"), why="a copy")
    name = lease_name("churn")
    with Watcher(served.folder, policy, ("--every", "1s"), url) as watcher:
        wait_until(lambda: served.leases.holder(name) is not None, watcher)
        holder = served.leases.holder(name)
        postgres.stop()
        try:
            wait_until(lambda: "Trying again" in watcher.said, watcher)
            time.sleep(AWAY_SECONDS)
        finally:
            postgres.start()
        log(served, traffic.head(260))
        wait_until(lambda: "Check 1: healthy" in watcher.said, watcher)
        assert served.leases.holder(name) == holder
        watcher.process.send_signal(signal.SIGINT)
        assert watcher.process.wait(PATIENCE_S) == 0
        assert watcher.said.count("Trying again") == 1
    served.close()


def test_a_person_is_asked_where_the_policy_says_so(
    fallen: Store, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy.write_text(f'{POLICY}approval = "ask"\ncooldown = "0s"\n')
    run, where = build_app(), ["--store", str(fallen.folder)]
    watch(fallen, WatchRequest("churn", once=True, policy=policy), lambda line: None)
    watch(fallen, WatchRequest("churn", once=True, policy=policy), lambda line: None)
    [job] = fallen.jobs.of("churn")
    assert job.stage == "asked"
    [report] = [record.report for record in fallen.checks.of("churn") if record.report]  # of what began the alarm
    assert "plotly" in (fallen.folder / report).read_text()
    run(["monitor", "status", "churn", *where], standalone_mode=False)
    told = capsys.readouterr().out
    assert "version 1: act" in told
    assert "job 1, asked" in told
    assert "automl monitor approve churn" in told
    run(["monitor", "approve", "churn", "--deny", "--why", "not in December", *where], standalone_mode=False)
    watch(fallen, WatchRequest("churn", once=True, policy=policy), lambda line: None)
    assert [alert.state for alert in fallen.alerts.of("churn")] == ["act", "asked", "kept"]
    assert fallen.jobs.of("churn")[-1].detail["ended_why"] == "not in December"
    with pytest.raises(NotFoundError, match="waits for an answer"):
        run(["monitor", "approve", "churn", *where], standalone_mode=False)
    run(["monitor", "status", "churn", "--json", *where], standalone_mode=False)
    assert '"stage": "kept"' in capsys.readouterr().out
    assert [(each.kind, each.outcome, each.equal) for each in replay(fallen, "churn")] == [("trigger", "ask", True)]
