"""The libraries that learners are made of, imported without what they have no use for."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import cast


def load(libraries: Iterable[str]) -> None:
    """Import the libraries.

    The boosters load pandas, which loads pyarrow where it finds it: 32 MB that no learner has a use for.
    """
    for library in libraries:
        try:
            with _without_arrow():
                importlib.import_module(library)
        except ImportError:  # one that has a use for it
            importlib.import_module(library)


@contextlib.contextmanager
def _without_arrow() -> Iterator[None]:
    """To whoever imports pyarrow now it is not installed, unless it is loaded already."""
    hidden = "pyarrow" not in sys.modules
    if hidden:
        sys.modules["pyarrow"] = cast(ModuleType, None)
    try:
        yield
    finally:
        if hidden:
            del sys.modules["pyarrow"]
