"""What a fit tells of itself when it has ended, in words that the terminal and the page share."""

from __future__ import annotations

from dataclasses import dataclass

from automl.inspection.suspects import Suspects
from automl.model.choices import Choice
from automl.model.trainings import Training
from automl.search.ledger import Ledger

SHOWN_FAMILIES = 4


@dataclass(frozen=True)
class Account:
    """Beside the model and the leaderboard: the choices there were, the name of the one taken, where the time went,
    what would help next, how the trials trained that have epochs, and the rows whose labels are doubted."""

    choices: tuple[Choice, ...] = ()
    taken: str = ""
    ledger: Ledger | None = None
    advice: tuple[str, ...] = ()
    trainings: tuple[Training, ...] = ()
    suspects: Suspects | None = None

    @property
    def different(self) -> tuple[Choice, ...]:
        """One choice for each different model."""
        return tuple(choice for choice in self.choices if self.names_of(choice)[0] == choice.name)

    @property
    def others(self) -> tuple[str, ...]:
        """A name of each model that was not taken."""
        names = (self.names_of(choice) for choice in self.different)
        return tuple(each[0] for each in names if self.taken not in each)

    def names_of(self, choice: Choice) -> tuple[str, ...]:
        """The names of the choices that come to the same model as this one."""
        same = (choice.weights, choice.learners)
        return tuple(each.name for each in self.choices if (each.weights, each.learners) == same)


def ledger_lines(ledger: Ledger) -> list[str]:
    """Where every second went, and why the search ended; at most three lines."""
    lines = [" · ".join(f"{stage} {seconds:.1f} s" for stage, seconds in ledger.stages)]
    families = [
        f"{name} {seconds:.1f} s ({finished} finished{f', {lost} given up' if lost else ''})"
        for name, finished, lost, seconds in ledger.families[:SHOWN_FAMILIES]
    ]
    if len(ledger.families) > SHOWN_FAMILIES:
        rest = ledger.families[SHOWN_FAMILIES:]
        families.append(f"{len(rest)} others {sum(seconds for *_, seconds in rest):.1f} s")
    if families:
        lines.append(f"fitting: {' · '.join(families)}")
    machine = [f"search ended: {ledger.stopped}"] if ledger.stopped else []
    machine += [f"cores {ledger.busy:.0%} busy fitting"] if ledger.busy > 0 else []
    machine += [f"peak memory {ledger.peak_mb:,.0f} MB"] if ledger.peak_mb > 0 else []
    return [line for line in (*lines, " · ".join(machine)) if line]
