"""One sign that data are broken, and how sure it must be."""

from __future__ import annotations

from dataclasses import dataclass

CERTAIN = 1e-6  # p value below which chance is ruled out: a blocked retraining is dear, and looks are many


@dataclass(frozen=True)
class Suspicion:
    """`what`: what is odd and its probable cause, for a person. `columns`: those that it is about, none for whole rows.

    `size`: of the effect, in the sign's own measure. `mild`: odd, but nothing is broken by it.
    """

    what: str
    columns: tuple[str, ...] = ()
    size: float | None = None
    p_value: float | None = None
    mild: bool = False


def rise(before: int, rows_before: int, now: int, rows_now: int) -> float:
    """The p value of a share being as large as it is now by chance (Fisher's exact test, one-sided)."""
    from scipy.stats import hypergeom

    return float(hypergeom.sf(now - 1, rows_before + rows_now, before + now, rows_now))
