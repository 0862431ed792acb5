"""Three ways to combine the trials of a run, from the most accurate to the quickest, within what a user allows.

best        the greedy ensemble, of moderate size if nothing else is asked for
balanced    the greedy ensemble of members that answer a row quickly and are small; as good as best but for noise
fastest     the one trial that answers quickest among those that are nearly as good as the best one
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from automl.data.dataset import Array
from automl.errors import OptionError, nearest
from automl.search.ensemble import UNLIMITED, Cost, Pool, select_members
from automl.search.noise import Noise
from automl.search.run import TrialResult

Preference = Literal["best", "balanced", "fastest"]
PREFERENCES: tuple[Preference, ...] = ("best", "balanced", "fastest")

NOTHING = Cost()
BY_TRIAL = ("weights", "learners")  # fields of a choice that are keyed by trial numbers

SHORTLIST = 60  # trials whose outputs are loaded, the best by their own loss
OF_EACH_FAMILY = 2  # of every architecture are among them: what differs adds more than what is a little better

# What a row costs beside the learners (reading its cells, features, the answer) is taken from what a user allows.
LEARNERS_SHARE = 0.6
MODERATE_BYTES = 45e6  # of all learners; a model stays under 50 MB unless more is allowed, or nothing smaller is there
FEWEST_LEARNERS = 2  # of a balanced member's folds answer at least
FEWEST_OF_BEST = 4  # of a member of the best: fewer of each cost less than to leave a family out (glass: .588 or .525)
QUICK = Cost(row_ms=0.6, bytes=40e6)  # the learners of a model that answers a row within 2 ms and stays under 50 MB
DOUBLINGS = 5  # of that, where nothing so quick is good enough
MOST_GIVEN = 0.1  # of the gain over the best constant, whatever the noise


@dataclass(frozen=True)
class Limits:
    """What a user asks of the delivered model: which choice, and what every choice must keep to.

    `max_latency_ms`: for one row, warm, in process. `max_bytes`: of the learners on disk. `timed`: choices may rest on
    measured times; where the same search must end the same every time, they rest on sizes only, unless a latency is
    asked for. Raises OptionError.
    """

    prefer: Preference = "best"
    max_latency_ms: float | None = None
    max_bytes: int | None = None
    timed: bool = True

    def __post_init__(self) -> None:
        if self.prefer not in PREFERENCES:
            raise OptionError(f"There is no --prefer {self.prefer!r}.", nearest(self.prefer, PREFERENCES))
        if self.max_latency_ms is not None and not self.max_latency_ms > 0:
            raise OptionError(f"A latency of {self.max_latency_ms:g} ms cannot be kept.", "Example: --max-latency 5ms.")
        if self.max_bytes is not None and self.max_bytes <= 0:
            raise OptionError(f"A size of {self.max_bytes:,} bytes cannot be kept.", "Example: --max-size 20MB.")

    @property
    def learners(self) -> Cost:
        """What all learners of a model may cost."""
        latency, size = self.max_latency_ms, self.max_bytes
        return Cost(
            UNLIMITED.row_ms if latency is None else LEARNERS_SHARE * latency,
            MODERATE_BYTES if size is None else size,
        )

    @property
    def measured(self) -> bool:
        """Whether choices may rest on measured times."""
        return self.timed or self.max_latency_ms is not None

    @property
    def quick(self) -> Cost:
        """What all learners of a balanced model should cost, if they can."""
        limit = self.learners
        return Cost(min(QUICK.row_ms, limit.row_ms) if self.measured else math.inf, min(QUICK.bytes, limit.bytes))


@dataclass(frozen=True)
class Sacrifice:
    """What a choice may lose against a better one: so many standard errors of the better one's score, by which that is
    not known anyway, or this share of its loss or of its gain over the best constant, whichever of them is smaller."""

    errors: float
    share: float


BALANCED = Sacrifice(errors=0.25, share=0.003)
FASTEST = Sacrifice(errors=1.0, share=0.03)


@dataclass(frozen=True)
class Choice:
    """One way to combine the trials. `weights` by trial number sum to 1. `score`: out-of-fold, in the metric's scale,
    with neither temperature nor threshold.

    `row_ms` and `bytes`: of its learners together. `learners`: by trial number, how many of its folds' learners answer,
    where not all of them do; the out-of-fold score is that of single learners anyway.
    """

    name: Preference
    weights: Mapping[int, float]
    score: float
    row_ms: float
    bytes: int
    learners: Mapping[int, int] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Plain JSON."""
        told = {name: {str(number): each for number, each in getattr(self, name).items()} for name in BY_TRIAL}
        return {**asdict(self), **told}


@dataclass(frozen=True)
class Offer:
    """A trial that an ensemble may be made of. `single`: with one learner only, that of one fold or, where the chosen
    are taught once more, one that is yet to come."""

    result: TrialResult
    cost: Cost = UNLIMITED
    single: bool = False


def offers(
    results: Sequence[TrialResult], learners: int, limits: Limits, taught_again: bool = False
) -> tuple[list[Offer], str]:
    """The trials that keep to the limits by themselves, and a note where none does: then the least is offered.

    `learners` is how many each trial has. One that is too slow or too large as a whole is offered with one of them.
    With `taught_again` one learner will answer in place of each trial's.
    """
    limit, found = limits.learners, []
    singles = [
        Offer(result, Cost(result.row_ms / learners, result.bytes / learners), single=learners > 1)
        for result in results
    ]
    for single in singles:
        whole = Offer(single.result, Cost(single.result.row_ms, single.result.bytes))
        if taught_again:  # on more rows than a fold has, which trees grow with
            grown = single.cost.bytes * learners / max(learners - 1, 1)
            whole = single = replace(single, cost=Cost(single.cost.row_ms, grown))
        found += [offer for offer in (whole, single) if offer.cost.within(limit)][:1]
    if found:
        return found, ""

    def over(offer: Offer) -> float:
        return max(offer.cost.row_ms / limit.row_ms, offer.cost.bytes / limit.bytes)

    least = min(singles, key=lambda offer: (over(offer), offer.result.loss))
    asked = [f"{limits.max_latency_ms:g} ms a row"] if limits.max_latency_ms is not None else []
    asked += [f"{limits.max_bytes / 1e6:.3g} MB"] if limits.max_bytes is not None else []
    need = f"about {least.cost.row_ms / LEARNERS_SHARE:.2g} ms a row and {least.cost.bytes / 1e6:.2g} MB"
    return [least], (
        f"no trial keeps to {' and '.join(asked)}: the least there is was delivered "
        f"({least.result.architecture}, {need}); allow more, or search longer"
    )


def spare(found: Sequence[Offer], learners: int) -> float:
    """By how much the best ensemble may exceed its limit before it is thinned; single learners cannot be."""
    return 1.0 if any(offer.single for offer in found) else max(learners / FEWEST_OF_BEST, 1.0)


def thinned(name: Preference, spent: Cost, learners: int, limits: Limits, taken: Cost = NOTHING) -> int:
    """How many of so many learners a member of a choice may answer with; all, if together they are quick and small.

    `spent`: by all learners of such members; `taken`: by others, which is not theirs to spend. To average fewer
    learners costs far less than to leave a member out.
    """
    limit = limits.quick if name == "balanced" else limits.learners
    pairs = ((limit.row_ms - taken.row_ms, spent.row_ms), (limit.bytes - taken.bytes, spent.bytes))
    return max(int(learners * min((most / cost for most, cost in pairs if cost > most), default=1.0)), 1)


def beside(name: Preference, spent: Cost, learners: int, limits: Limits, taken: Cost) -> int:
    """How many of so many learners of its folds answer beside the one of a member that was taught once more: none but
    in the best, there as many as the limits allow.

    `spent` and `taken` as in `thinned`, by the former and the latter.
    """
    many = thinned(name, spent, learners, limits, taken) if name == "best" else 0
    allowed = (taken + spent.times(many / learners)).within(limits.learners)
    return many if many >= FEWEST_LEARNERS and allowed else 0


def shortlist(found: Sequence[Offer]) -> list[Offer]:
    """The best offers, with the best of every architecture among them."""
    ranked = sorted(found, key=lambda offer: (offer.result.loss, offer.result.bytes, offer.result.number))
    families: dict[str, list[Offer]] = {}
    for offer in ranked:
        families.setdefault(offer.result.architecture, []).append(offer)
    kept = {offer.result.number for family in families.values() for offer in family[:OF_EACH_FAMILY]}
    for offer in ranked:
        if len(kept) >= SHORTLIST:
            break
        kept.add(offer.result.number)
    return [offer for offer in ranked if offer.result.number in kept]


class Chooser:
    """Makes the choices from a pool; each one but the first is judged against the best."""

    def __init__(self, pool: Pool, limits: Limits) -> None:
        if not limits.measured:
            pool = replace(pool, costs={number: replace(cost, row_ms=0.0) for number, cost in pool.costs.items()})
        self._pool = pool
        self._limit = limits.learners
        self._spare = max(pool.learners / FEWEST_LEARNERS, 1.0)  # a part of the learners may do
        self._noise = Noise(pool.metric, pool.target, pool.units, pool.row_weights)

    def choose(self, name: Preference) -> dict[int, int]:
        """Counts by trial number."""
        if name == "fastest":
            return self._fastest()
        return self._balanced() if name == "balanced" else self._best

    @cached_property
    def _best(self) -> dict[int, int]:
        # The least of all is offered even where it does not keep to the limits.
        return select_members(self._pool, self._limit.times(self._pool.spare)) or select_members(self._pool)

    def _balanced(self) -> dict[int, int]:
        pool, best, quick = self._pool, self._best, QUICK.times(self._spare)
        worst = self._worst(pool.mixed(best), BALANCED)
        for _ in range(DOUBLINGS):
            if pool.cost(best).within(quick):
                break
            limit = Cost(min(quick.row_ms, self._limit.row_ms), min(quick.bytes, self._limit.bytes))
            counts = select_members(pool, limit)
            if counts and pool.loss(pool.mixed(counts)) <= worst:
                return counts
            quick = quick + quick
        return best

    def _fastest(self) -> dict[int, int]:
        pool, losses = self._pool, self._pool.losses
        best = min(losses, key=lambda number: (losses[number], pool.cost([number]).bytes))
        worst = self._worst(pool.outputs[best], FASTEST)
        enough = [number for number in losses if losses[number] <= worst]
        spent = {number: pool.cost([number]) for number in losses}
        quickest = sorted(enough, key=lambda number: (spent[number].row_ms, spent[number].bytes, losses[number]))
        return {quickest[0] if quickest else best: 1}

    def _worst(self, best: Array, sacrifice: Sacrifice) -> float:
        """The loss up to which outputs are nearly as good as the best."""
        pool = self._pool
        least = pool.loss(best)
        gain = max(pool.floor - least, 0.0)
        doubt = self._noise.error(self._noise.losses(best), np.zeros(1))
        given = max(sacrifice.errors * doubt, sacrifice.share * min(gain, abs(least)))
        return least + min(given, MOST_GIVEN * gain)
