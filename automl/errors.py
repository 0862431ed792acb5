"""Every error a user can meet.

    AutoMLError                 exit code 2 on the command line; the message says what, where and the remedy
    ├── DataError               a source, a column or a value cannot be used (also a ValueError)
    │   ├── SourceError         the source cannot be read at all
    │   └── TargetError         the target is absent or cannot be learned
    ├── PluginError             no plugin, or a broken one, for what was asked
    ├── OptionError             an option's value makes no sense
    ├── SearchError             no trial could be finished, and why
    ├── StoreError              the store cannot do what was asked
    │   ├── NotFoundError       no such model, version, run or prediction
    │   └── ConflictError       somebody else changed it meanwhile
    └── ArtifactError           a model folder is incomplete, altered or from another format

A user's mistake raises one of these; anything else that escapes is a defect of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AutoMLError(Exception):
    """What went wrong in one sentence, and what to do about it in another.

    `remedy` may be empty; `str(error)` joins both.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem} {remedy}".strip())
        self.problem = problem
        self.remedy = remedy


class DataError(AutoMLError, ValueError):
    """The data cannot be used as asked."""


class SourceError(DataError):
    """The source cannot be read."""


class TargetError(DataError):
    """The target column is absent or cannot be learned."""


class PluginError(AutoMLError):
    """A plugin is missing, broken or does not fit."""


class OptionError(AutoMLError, ValueError):
    """An option's value makes no sense."""


class SearchError(AutoMLError):
    """The search ended without anything to deliver."""


class StoreError(AutoMLError):
    """The store cannot do what was asked."""


class NotFoundError(StoreError):
    """There is no such model, version, run or prediction."""


class ConflictError(StoreError):
    """What was to be changed is no longer what it was: somebody else was first."""


class ArtifactError(AutoMLError):
    """A model folder cannot be trusted or read."""


def nearest(wanted: str, known: Iterable[str], most: int = 8) -> str:
    """A sentence that suggests the nearest known name, or lists at most so many of them."""
    names = [str(name) for name in known]
    close = difflib.get_close_matches(wanted, names, n=1, cutoff=0.6)
    if not close:
        folded = {name.casefold(): name for name in names}
        close = [folded[wanted.casefold()]] if wanted.casefold() in folded else []
    if close:
        return f"Did you mean {close[0]!r}?"
    if not names:
        return ""
    shown = ", ".join(names[:most]) + (", …" if len(names) > most else "")
    return f"There is: {shown}."
