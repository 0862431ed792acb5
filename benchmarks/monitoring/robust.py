"""Does the loop survive? kill -9 at points of a retraining, and races of two watches that promote.

    python -m benchmarks.monitoring.robust kills [--points 10]
    python -m benchmarks.monitoring.robust races [--races 100] [--database URL]

Kills: for each point a fresh store whose labels say that the model fell; `automl watch` is started, killed when the
retraining is at that point, started again with `--once`, and the store examined. Races: two processes begin a job and
bring it to its promotion in the same moment, again and again. Both end with 1 if anything is not as it must be.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from automl.cli.predict import loggable_rows
from automl.data.reading import Table
from automl.engine import FitRequest, fit_table
from automl.errors import ConflictError
from automl.model.logged import log_entries
from automl.store import CHALLENGER, CHAMPION, PREVIOUS, Decision, Job, Store
from automl.store.database import jobs, one_writer
from automl_monitoring.policy import Policy, RolloutPolicy
from automl_monitoring.replay import replay
from automl_monitoring.retraining import Plan
from automl_monitoring.watching.stages import Stages

CHURN = Path(__file__).parents[2] / "examples" / "telco_churn.csv"
ROWS, TRAFFIC = 1200, 600
NAME = "churn"
RACERS = 2
# (stage of the job, seconds after it was seen)
POINTS = (
    ("planned", 0.0),
    ("planned", 1.5),
    ("training", 0.0),
    ("training", 1.0),
    ("training", 3.0),
    ("training", 6.0),
    ("judging", 0.0),
    ("judging", 2.5),
    ("judging", 6.0),  # a winner is being taught on its judges too
    ("promoted", 0.0),
)
POLICY = """
[window]
rows = 300
[retrain]
time = "9s"
least_labels = 200
least_judges = 60
"""


def make_store(folder: Path, database: str | None = None) -> Store:
    """A model of churn, and labelled answers of it in which suddenly the gender decides, but for three in ten."""
    frame = pd.read_csv(CHURN, dtype=str, keep_default_na=False)
    store = Store(folder, database=database)
    request = FitRequest(target="Churn", name=NAME, seconds=30, max_trials=2, executor="inline")
    model = fit_table(Table(frame.head(ROWS), name=NAME), request, store).model
    rows = frame.iloc[ROWS:].sample(frac=1, random_state=0).reset_index(drop=True).head(TRAFFIC)
    labels = rows["gender"].map({"Female": "Yes", "Male": "No"}).to_numpy()
    kept = np.random.default_rng(0).random(len(rows)) < 0.3
    labels[kept] = rows["Churn"].to_numpy()[kept]
    entries = log_entries(model, (NAME, 1), loggable_rows(rows, model), model.answer(rows))
    store.log.write(entries)
    store.log.add_labels(NAME, zip([entry.id for entry in entries], labels, strict=True), source="benchmark")
    return store


@dataclass(frozen=True)
class Survived:
    """What was found after a kill and a restart. `problems`: empty if all is as it must be."""

    point: str
    killed_in: str
    seconds: float
    champion: int
    versions: int
    ended: str
    problems: tuple[str, ...]


def kill_at(folder: Path, policy: Path, stage: str, seconds: float) -> Survived:
    """Watch, kill at this point, watch again until nothing is left to do."""
    store = Store(folder)
    command = [sys.executable, "-m", "automl.cli", "watch", NAME, "--store", str(folder), "--policy", str(policy)]
    with (folder / "said").open("w") as said:
        watch = subprocess.Popen([*command, "--every", "1s"], stdout=said, stderr=said)
        deadline = time.monotonic() + 300
        while _stage(store) not in (stage, "promoted", "kept", "failed") and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(seconds)
        killed_in = _stage(store)
        watch.send_signal(signal.SIGKILL)
        watch.wait()
        begun = time.monotonic()
        again = subprocess.run([*command, "--once"], stdout=said, stderr=said, timeout=600, check=False)
    took = time.monotonic() - begun
    problems = list(_problems(store)) + (
        [f"the second watch ended with {again.returncode}"] if again.returncode else []
    )
    aliases, job = store.versions.aliases(NAME), store.jobs.of(NAME)[-1]
    found = len(store.versions.of(NAME))
    store.close()
    return Survived(f"{stage} + {seconds} s", killed_in, took, aliases[CHAMPION], found, job.stage, tuple(problems))


def _stage(store: Store) -> str:
    jobs_of = store.jobs.of(NAME)
    return jobs_of[-1].stage if jobs_of else "none"


def _problems(store: Store) -> Iterator[str]:
    """What is not as it must be after a retraining that was killed and finished."""
    ends = [job.stage for job in store.jobs.of(NAME)]
    if ends not in (["promoted"], ["kept"]):  # kept: a busy machine had no time to train anything better
        yield f"the jobs ended as {ends}"
    promoted, newest = ends == ["promoted"], len(store.versions.of(NAME))
    if store.versions.aliases(NAME) != ({CHAMPION: newest, PREVIOUS: 1} if promoted else {CHAMPION: 1, CHALLENGER: 2}):
        yield f"the aliases are {store.versions.aliases(NAME)}"
    promotions = [entry.number for entry in store.audit.of(NAME) if entry.action == "promote"]
    if promotions != ([1, newest] if promoted else [1]):
        yield f"promoted were {promotions}"
    if store.decisions.broken(NAME):
        yield "the chain of decisions is broken"
    differing = [each.sequence for each in replay(store, NAME) if not each.equal]
    if differing:
        yield f"decisions {differing} are not computed again as they were"
    runs = [path for path in store.runs_folder.iterdir() if not path.name.startswith(".")]
    if len(runs) != newest or newest > 3:  # the champion, the challenger, and the same taught on its judges too
        yield f"there are {len(runs)} runs of {newest} versions: a training was begun anew"
    told = [(alert.state, alert.subject) for alert in store.alerts.of(NAME)]
    if len(set(told)) != len(told):
        yield "something was told twice"


def kills(points: int) -> bool:
    """Kill at so many points; print a table; True if everything survived."""
    whole = True
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        make_store(home / "made").close()
        policy = home / "policy.toml"
        policy.write_text(POLICY)
        heads = f"{'champion':>8} {'versions':>8} {'job':10} problems"
        print(f"{'killed at':16} {'in stage':10} {'finished after':>14} {heads}")
        for number, (stage, seconds) in enumerate(POINTS[:points]):
            shutil.copytree(home / "made", home / str(number))
            found = kill_at(home / str(number), policy, stage, seconds)
            said = "; ".join(found.problems) or "none"
            print(
                f"{found.point:16} {found.killed_in:10} {found.seconds:12.1f} s {found.champion:8} {found.versions:8} "
                f"{found.ended:10} {said}",
                flush=True,
            )
            whole = whole and not found.problems
    return whole


def race(folder: Path, database: str | None, rounds: int, start: Barrier, results: Any) -> None:
    """In a process of its own: begin a job, then bring the one that was begun from its canary to its promotion."""
    store, policy = Store(folder, database=database), Policy(rollout=RolloutPolicy(canary_rows=1, patience="1s"))
    stages = Stages(store, NAME, lambda line: None)
    for _ in range(rounds):
        start.wait()
        champion = store.versions.aliases(NAME)[CHAMPION]
        begun = _won(lambda champion=champion: _begin(store, champion))
        start.wait()
        job = store.jobs.of(NAME)[-1]
        start.wait()
        moved = _won(lambda job=job: stages.advance(job, policy))
        results.put((begun, moved))
    start.wait()
    store.close()


def _won(attempt: Any) -> bool:
    try:
        attempt()
    except ConflictError:
        return False
    return True


def _begin(store: Store, champion: int) -> None:
    """A job in its canary, whose time is over, for the version that is not the champion."""
    challenger, now = 3 - champion, datetime.now(UTC)
    plan = Plan(NAME, champion, now.isoformat(), 1, 2, 3, 4, 2, 2, "", "").record()
    record = {"challenger": challenger, "parts": [], "plan": plan}
    with store.engine.begin() as connection:
        one_writer(connection, jobs)
        decision = store.decisions.add(Decision(NAME, "gate", "promote", "better", record), connection)
        detail = {"champion": champion, "challenger": challenger, "plan": plan, "decision": decision.sequence}
        since = {"stage_begun": (now - timedelta(hours=1)).isoformat(), "stage_after": store.log.settled()}
        store.jobs.begin(Job(NAME, "canary", "a race", {**detail, **since}), connection)


def races(rounds: int, database: str | None) -> bool:
    """Let two race so many times; print a table; True if there was always one champion."""
    with tempfile.TemporaryDirectory() as name:
        store = make_store(Path(name) / "store", database)
        champion = store.versions.find(NAME)
        shutil.copytree(champion.folder, store.runs_folder / "copy")
        store.versions.register(replace(champion, folder=store.runs_folder / "copy"), why="a copy")
        spawn = multiprocessing.get_context("spawn")
        start, results = spawn.Barrier(RACERS), spawn.Queue()
        arguments = (store.folder, database, rounds, start, results)
        racers = [spawn.Process(target=race, args=arguments) for _ in range(RACERS)]
        begun = time.monotonic()
        for racer in racers:
            racer.start()
        told = [results.get(timeout=600) for _ in range(rounds * RACERS)]
        for racer in racers:
            racer.join()
        took = time.monotonic() - begun
        promotions = [entry.number for entry in store.audit.of(NAME) if entry.action == "promote"][1:]
        begun_jobs = sum(won for won, _ in told)
        champions = sum(one == other for one, other in zip(promotions, [1, *promotions], strict=False))
        broken = store.decisions.broken(NAME)
        aliases = store.versions.aliases(NAME)
        print(f"{'database':12} {'races':>6} {'jobs begun':>11} {'promotions':>11} {'twice':>6} {'chain':>7} {'s':>6}")
        print(
            f"{'postgresql' if database else 'sqlite':12} {rounds:6} {begun_jobs:11} {len(promotions):11} {champions:6}"
            f" {'broken' if broken else 'whole':>7} {took:6.1f}"
        )
        whole = begun_jobs == len(promotions) == rounds and not champions and not broken
        whole = whole and aliases == {CHAMPION: promotions[-1], PREVIOUS: 3 - promotions[-1]}
        store.close()
    return whole


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["kills", "races"])
    parser.add_argument("--points", type=int, default=len(POINTS))
    parser.add_argument("--races", type=int, default=100)
    parser.add_argument("--database", default=os.environ.get("AUTOML_DATABASE"))
    given = parser.parse_args()
    whole = kills(given.points) if given.what == "kills" else races(given.races, given.database)
    sys.exit(0 if whole else 1)


if __name__ == "__main__":
    main()
