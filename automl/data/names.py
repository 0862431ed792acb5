"""What the name of a column says. A name is a hint: it only ever tips a balance."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")
_ID_WORDS = frozenset({"id", "ids", "uuid", "guid", "key", "pk", "index", "idx", "pid", "uid", "rowid", "rownum"})
_ID_NAMES = frozenset({"no", "nr", "number", "row", "rownames", "unnamed", "row number", "serial number", "record"})
_NUMBER_WORDS = frozenset({"no", "nr", "number"})  # at the end of a name: customer_no
_CLASS_WORDS = frozenset(
    {"class", "clas", "type", "kind", "category", "label", "code", "species", "genus", "group", "segment", "cluster"}
    | {"status", "state", "survived", "outcome", "diagnosis", "digit", "letter", "sex", "gender"}
)
_MEASURE_WORDS = frozenset(
    {"quality", "score", "rating", "ratings", "count", "cnt", "counts", "age", "rings", "star", "stars", "year"}
    | {"years", "grade", "price", "amount", "num", "number", "qty", "quantity", "total", "days", "hours", "months"}
    | {"minutes", "points", "level", "rank", "degree", "size", "length", "duration", "visits", "votes", "sales"}
)
_DATE_WORDS = frozenset({"date", "dt", "day", "datetime", "time", "timestamp", "dob", "birthdate", "datum", "fecha"})


def words_of(name: str) -> list[str]:
    """The words of a name, in lower case: 'customerID' is customer, id; 'Lot.Area' is lot, area."""
    return [word.casefold() for word in _WORD.findall(name)]


def says_identifier(name: str) -> bool:
    """customerID, PassengerId, enrollee_id, PID, Unnamed: 0."""
    words = words_of(name)
    if not words:
        return False
    numbered = len(words) > 1 and words[-1] in _NUMBER_WORDS
    return numbered or words[-1] in _ID_WORDS or words[0] in _ID_WORDS or " ".join(words) in _ID_NAMES


def says_date(name: str) -> bool:
    return not _DATE_WORDS.isdisjoint(words_of(name))


def says_task(name: str) -> str | None:
    """'classify' for wine_class, 'regress' for quality; the last telling word decides. None if no word tells."""
    for word in reversed(words_of(name)):
        if word in _CLASS_WORDS:
            return "classify"
        if word in _MEASURE_WORDS:
            return "regress"
    return None
