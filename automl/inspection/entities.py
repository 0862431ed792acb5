"""Columns that name an entity whose rows hang together: a patient, a user, a mouse measured fifteen times."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from automl.data.cells import as_text
from automl.data.dataset import Array
from automl.errors import DataError
from automl.inspection.subject import Subject

ID_WORDS = frozenset({"id", "ids", "uuid", "guid"})
ENTITY = re.compile(
    "account|animal|applicant|athlete|author|borrower|cat|client|company|customer|device|dog|donor|driver|employee|"
    "engine|farm|guest|herd|hospital|house|household|individual|machine|member|mouse|participant|patient|person|"
    "plant|player|rat|respondent|school|sensor|session|site|speaker|station|store|student|subject|trip|user|vehicle|"
    "vessel|visitor|well|worker|writer"
)
NAME_WORDS = frozenset({"name", "code", "number", "no", "nr", "num"})
NAME_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
LAST_PART = re.compile(r"[\s_\-./:#|]+[^\s_\-./:#|]*$")  # of an id: the measurement within the entity
NEARLY_UNIQUE = 0.95

LEAST_ENTITIES = 10
LEAST_ROWS_EACH = 2.0  # on average
LARGEST_SHARE = 0.1  # of the rows: whoever has more is a category


@dataclass(frozen=True)
class Entity:
    """An entity column. `codes`: int64 per row; a row without an entity is one of its own. `prefix`: the entity is
    the part of each value before the last separator ("309_1" is of "309")."""

    column: str
    codes: Array
    prefix: bool
    missing: int

    @property
    def count(self) -> int:
        """How many entities there are."""
        return int(self.codes.max()) + 1

    def describe(self) -> str:
        """As a user reads it."""
        return f"{self.column} (the part before its last separator)" if self.prefix else self.column


def entity_of(subject: Subject, name: str) -> Entity:
    """The entities that a column names, by the canonical text of its cells.

    Where nearly every value is unique and parts of the values repeat, an entity is the part before the last separator.
    Raises DataError if that leaves nearly every row alone.
    """
    entity = _read_entity(subject, name)
    if entity.count - entity.missing > NEARLY_UNIQUE * (len(entity.codes) - entity.missing):
        raise DataError(
            f"Nearly every row has a value of its own in {name!r}: it groups nothing.",
            "Name the column that repeats over the rows of one entity, or leave --group out.",
        )
    return entity


def entity_candidates(subject: Subject) -> list[Entity]:
    """Columns named like an entity whose values repeat as those of entities do, the most rows an entity first."""
    found = []
    skipped = {subject.schema.target, *subject.roles.left_alone}
    for name in subject.table.frame.columns:
        if name in skipped or not is_entity_name(name):
            continue
        entity = _read_entity(subject, name)
        sizes = np.bincount(entity.codes)
        if (
            len(sizes) >= LEAST_ENTITIES
            and len(entity.codes) / len(sizes) >= LEAST_ROWS_EACH
            and sizes.max() <= LARGEST_SHARE * len(entity.codes)
        ):
            found.append(entity)
    return sorted(found, key=lambda entity: entity.count)


def is_entity_name(name: str) -> bool:
    """Is a column of this name meant to say whose row it is?"""
    parts = [part.casefold() for part in NAME_PARTS.findall(name)]
    if not parts:
        return False
    if len(parts) > 1 and parts[-1] in NAME_WORDS:
        parts.pop()
    last = parts[-1]
    return last in ID_WORDS or ENTITY.fullmatch(last.removesuffix("id")) is not None


def same_partition(codes: Array, values: Array) -> bool:
    """Do the values name the very same entities, one value each?"""
    _, values = np.unique(values.astype(str) if values.dtype == object else values, return_inverse=True)
    count = int(values.max()) + 1
    pairs = np.unique(codes * count + values)
    return len(pairs) == count == len(np.unique(codes))


def _read_entity(subject: Subject, name: str) -> Entity:
    texts = [as_text(value) for value in subject.table.frame[name].tolist()]
    present = [text for text in texts if text is not None]
    prefix = False
    if len(set(present)) > NEARLY_UNIQUE * len(present):
        stems = [text if text is None else LAST_PART.sub("", text) for text in texts]
        known = {stem for stem in stems if stem}
        prefix = len(known) * LEAST_ROWS_EACH <= len(present)
        texts = stems if prefix else texts
    codes: dict[str, int] = {}
    own = np.empty(len(texts), dtype=np.int64)
    alone = 0
    for row, text in enumerate(texts):
        if text is None:
            alone += 1
            own[row] = -alone
        else:
            own[row] = codes.setdefault(text, len(codes))
    own[own < 0] = len(codes) - 1 - own[own < 0]
    return Entity(name, own, prefix, alone)
