"""Challengers with a defect: they pass their self-test, and fail or dawdle once they have answered a few requests.

Their learner comes from a plugin that only the server is given, as any stranger's plugin would be.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from automl.store import Store, Version

from .conftest import fit_model, register_model

PLUGIN = """
import time

from automl.hooks import hookimpl
from automl_tabular.linear import Linear

SOUND_CALLS = 10


class Moody(Linear):
    def load(self, folder, problem):
        learner = super().load(folder, problem)
        sound, calls = learner.predict, []

        def predict(features):
            calls.append(1)
            if len(calls) > SOUND_CALLS:
                self.misbehave()
            return sound(features)

        learner.predict = predict
        return learner


class Failing(Moody):
    name = "failing"

    def misbehave(self):
        raise RuntimeError("a defect")


class Dawdling(Moody):
    name = "dawdling"

    def misbehave(self):
        time.sleep(0.05)


@hookimpl
def automl_architectures():
    return [Failing(), Dawdling()]
"""


def strange_environment(folder: Path) -> dict[str, str]:
    """Install the plugin into a folder; the variables with which a process finds it."""
    about = folder / "moody-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / "moody_plugin.py").write_text(PLUGIN)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: moody\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[automl.plugins]\nmoody = moody_plugin\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}


def register_strange_version(store: Store, architecture: str) -> Version:
    """A version whose only member is of this architecture."""
    model, selftest = fit_model(1e-3)
    members = tuple(replace(member, architecture=architecture) for member in model.members)
    return register_model(store, replace(model, members=members), selftest)
