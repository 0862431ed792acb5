"""How many threads a worker's libraries may use: the cores this process may really use, shared among the workers.

Said in the environment, because most libraries read it once, when they are loaded. Cores are what affinity and the
cgroup's quota allow (see `automl.search.budget.usable_cores`), not what the machine has. One row is answered by one
thread whatever stands here (see `automl_tabular.boosting.threads_for`): a second one costs more than it saves.
"""

from __future__ import annotations

from collections.abc import Mapping

from automl.search.budget import usable_cores

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def thread_environment(workers: int, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that give each of so many workers its share of the cores, at least one.

    A number that `environment` has for OMP_NUM_THREADS already is the user's wish, and is kept.
    """
    wished = environment.get("OMP_NUM_THREADS", "")
    threads = int(wished) if wished.isdigit() and int(wished) else max(usable_cores() // workers, 1)
    # Threads that have nothing to do sleep instead of spinning, which would be paid for by every other worker.
    return {**dict.fromkeys(VARIABLES, str(threads)), "OMP_WAIT_POLICY": "PASSIVE"}
