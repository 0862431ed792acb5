"""Signs that the data of a window are broken, each a function from a `Subject` to suspicions.

What parts a broken pipe from a population that changed: after a change of the mix, each row is still a row that the
reference could hold; a broken pipe makes rows that it could not hold. So each sign asks for more than a shift: cells
of a kind never seen, a shape that fits once divided by 1,000, a level that vanished while an unseen one took its
share, relations between columns that ended though each column stayed what it was.
"""

from __future__ import annotations

from collections.abc import Callable

from automl_monitoring.broken import cells, constant, duplicates, levels, relations, schema, units, volume
from automl_monitoring.broken.suspicion import Suspicion
from automl_monitoring.checks.subject import Subject

SIGNS: tuple[Callable[[Subject], list[Suspicion]], ...] = (
    schema.suspicions,
    cells.suspicions,
    levels.suspicions,
    units.suspicions,
    constant.suspicions,
    relations.suspicions,
    duplicates.suspicions,
    volume.suspicions,
)
