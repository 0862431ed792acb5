"""Which version is tried beside the one that answers, and how: as the store's rollout says, else as the server was
started."""

from __future__ import annotations

from dataclasses import dataclass

from automl.store import CHALLENGER, REJECTED
from automl.store.rollouts import TRIALS
from automl_serving.settings import Options
from automl_serving.sources import Seen


@dataclass(frozen=True)
class Tried:
    """A version beside the current one. `shadow`: it answers every request too, for the log only. `share`: of the
    requests, that it answers instead. `rollout`: the store says so, not the server's options.
    """

    number: int
    shadow: bool
    share: float
    rollout: bool = False

    @property
    def stage(self) -> str:
        """What it is called in a list."""
        return "canary" if self.share > 0 else "shadow"


def tried_of(seen: Seen, options: Options) -> Tried | None:
    """The version to try now.

    A rollout that is in its shadow or canary stage goes before `--shadow` and `--canary`, which are for the alias
    `challenger`. A version whose rollout has come to its end is not tried by them either.
    """
    rollout, challenger = seen.rollout, seen.aliases.get(CHALLENGER)
    if rollout is not None and rollout.stage in TRIALS:
        canary = rollout.stage == "canary"
        tried = Tried(rollout.number, options.shadow or not canary, rollout.share if canary else 0.0, rollout=True)
    elif challenger is None or (rollout is not None and rollout.number == challenger):
        return None
    else:
        share = 0.0 if seen.aliases.get(REJECTED) == challenger else options.canary
        tried = Tried(challenger, options.shadow, share)
    if tried.number == seen.current or tried.number not in seen.numbers:
        return None
    return tried if tried.shadow or tried.share > 0 else None
