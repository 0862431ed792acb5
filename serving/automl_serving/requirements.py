"""What must be installed for a packed model to answer: no more, and each at the version it was trained with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from automl.errors import StoreError
from automl_serving.settings import QUIET_ENVIRONMENT

# Declared, but only for training on several GPUs: XGBoost predicts without its 350 MB.
UNUSED = frozenset({("xgboost", "nvidia-nccl-cu12")})


@dataclass(frozen=True)
class Pin:
    """A distribution at its installed version. `build`: the local part of that ("cpu" of 2.13.0+cpu), which no index
    has and a requirement therefore leaves out. `needs`: the names of what it requires itself."""

    name: str
    version: str
    build: str = ""
    needs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def is_complete(pins: Iterable[Pin]) -> bool:
    """May the pins be installed as they are, without what they need besides?

    Not with a build for one machine among them (torch+cpu): an index has another one, which may need more.
    """
    return not any(pin.build for pin in pins)


def needed_modules(context: Path, packages: Sequence[str]) -> list[str]:
    """The modules that these packages import while the model in a package's folder answers.

    Found by running it in a process of its own; StoreError if it cannot run.
    """
    script = Path(__file__).with_name("needs.py")
    done = subprocess.run(
        [sys.executable, "-P", str(script), *packages],
        cwd=context,
        env={**os.environ, **QUIET_ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = done.stderr.strip().split("\n")[-1]
        raise StoreError(f"The packed model does not answer: {reason}.", "`automl verify` tells more.")
    modules: list[str] = json.loads(done.stdout.strip().split("\n")[-1])
    return modules


def pins_of(modules: Iterable[str], distributions: Iterable[str], own: str) -> list[Pin]:
    """The distributions that provide these modules, these ones, and all that they need; sorted by name.

    `own` is the distribution whose code is packed as it is: it is no pin, but its word on extras counts.
    """
    providers = metadata.packages_distributions()
    provided = {name for module in modules for name in providers.get(module, ())}
    roots = {canonicalize_name(name) for name in provided | set(distributions)} - {canonicalize_name(own)}
    asked: list[tuple[str, str]] = [(name, "") for name in roots]
    asked += [(name, extra) for name, extra in _needs(metadata.distribution(own), "") if name in roots]
    pins = _closure(asked)
    return [pins[name] for name in sorted(pins)]


def _closure(waiting: list[tuple[str, str]]) -> dict[str, Pin]:
    pins: dict[str, Pin] = {}
    seen: set[tuple[str, str]] = set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            installed = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # another one provides it (xgboost-cpu), or not for here
            continue
        needs = [need for need in _needs(installed, extra) if (name, need[0]) not in UNUSED]
        waiting += needs
        version = Version(installed.version)
        before = pins[name].needs if name in pins else ()
        names = sorted({*before, *(need for need, _ in needs)})
        pins[name] = Pin(name, version.public, version.local or "", tuple(names))
    return {
        name: Pin(pin.name, pin.version, pin.build, tuple(need for need in pin.needs if need in pins))
        for name, pin in pins.items()
    }


def _needs(installed: metadata.Distribution, extra: str) -> Iterator[tuple[str, str]]:
    """(name, extra) of what a distribution requires here, "" being its plain self."""
    environment: Mapping[str, str] = {"extra": extra}
    for requirement in map(Requirement, installed.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate(dict(environment)):
            yield from ((canonicalize_name(requirement.name), each) for each in ("", *requirement.extras))
