"""Which families a search may take: those asked for, of them what suits the rows and what the artifact may be."""

from __future__ import annotations

from collections.abc import Sequence

from automl.errors import OptionError, nearest
from automl.hooks import architectures
from automl.model.choices import MODERATE_BYTES
from automl.neural.pretrained.finding import NONE, chosen_weights
from automl.request import FitRequest
from automl.task import Architecture


def searched(request: FitRequest, modality: str, rows: int) -> tuple[str, ...]:
    """The names of the families of a modality for so many rows.

    OptionError where one that was asked for is not there, or none of them is left.
    """
    known, only = architectures(modality), request.only
    for name in only:
        if name not in known:
            raise OptionError(f"The task plugin {modality!r} has no architecture {name!r}.", nearest(name, known))
    against = {name: _against(family, request, rows) for name, family in known.items() if name in only or not only}
    left = tuple(name for name, why in against.items() if not why)
    if only and not left:
        raise OptionError(f"Nothing is left to search: {'; '.join(against.values())}.", "Add an --only, or omit it.")
    return left


def weights_for(names: Sequence[str], request: FitRequest, modality: str) -> dict[str, str]:
    """The folder of each of the pretrained weights that these families may use, by name; none if none of them does.

    OptionError where nothing but such families was asked for, and there are no weights for them.
    """
    needing = {name for name, family in architectures(modality).items() if family.pretrained}
    if needing and not needing & set(names):
        return {}
    chosen = chosen_weights(request.weights, modality, request.allow_download)
    if request.only and not chosen and needing.issuperset(names):
        raise OptionError(
            f"{' and '.join(names)} cannot do without pretrained weights, and there are none.",
            "Name them: --weights FOLDER.",
        )
    return chosen


def weights_left_out(request: FitRequest, modality: str, rows: int) -> list[str]:
    """A line for each family whose weights the user named in vain."""
    if not request.weights or NONE in request.weights:
        return []
    reasons = [_against(family, request, rows) for family in architectures(modality).values() if family.pretrained]
    return [f"the weights are not used: {why}" for why in reasons if why]


def _against(family: Architecture, request: FitRequest, rows: int) -> str:
    """Why a search leaves this family out; empty if it does not."""
    if rows > family.most_rows:
        return f"{family.name} takes at most {family.most_rows:,.0f} rows, and there are {rows:,}"
    if family.keeps_rows and not request.reference_rows:
        return f"{family.name} keeps rows of the data, which --no-reference-rows forbids"
    if family.least_bytes > (request.max_bytes or MODERATE_BYTES) and family.name not in request.only:
        return f"a learner of {family.name} takes {family.least_bytes / 1e6:,.0f} MB, more than --max-size allows"
    return ""
