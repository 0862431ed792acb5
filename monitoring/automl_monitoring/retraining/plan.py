"""What a retraining will do, decided before anything is trained: which rows train, which judge, which are left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from automl.store import LoggedPrediction


@dataclass(frozen=True)
class LeftOut:
    """Labelled rows that neither train nor judge, and why, for a person to read."""

    why: str
    rows: int


@dataclass(frozen=True)
class Plan:
    """One retraining of version `champion`. Plain JSON by `record`.

    `made`: the moment, ISO in UTC; labels that came later do not count. `train_last`, `judges_first`, `judges_last`:
    sequence numbers in the log; the judges are the newest rows, and no version has been trained on them. The digests
    are of the rows' ids, cells and labels. `outside_rows`: of the training rows, those whose label came over HTTP.
    """

    name: str
    champion: int
    made: str
    first: int
    train_last: int
    judges_first: int
    judges_last: int
    train_rows: int
    judge_rows: int
    train_digest: str
    judge_digest: str
    outside_rows: int = 0
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 300.0
    seed: int = 0

    @property
    def moment(self) -> datetime:
        """When it was made."""
        return datetime.fromisoformat(self.made)

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that stand for this plan, by which its version is found again."""
        return hashlib.sha256(json.dumps(self.record(), sort_keys=True).encode()).hexdigest()[:16]

    def record(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "left_out": [asdict(each) for each in self.left_out], "notes": list(self.notes)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Plan:
        """The plan that `record` made this of, also after a trip through JSON."""
        left_out = tuple(LeftOut(**each) for each in record["left_out"])
        return cls(**{**record, "left_out": left_out, "notes": tuple(record["notes"])})


def digest_of_rows(entries: Sequence[LoggedPrediction]) -> str:
    """SHA-256 of the ids, cells and labels of logged rows, in their order."""
    return digest_of([entry.id, dict(entry.features), entry.label] for entry in entries)


def digest_of(records: Iterable[Any]) -> str:
    """SHA-256 of plain JSON records, in their order."""
    whole = hashlib.sha256()
    for record in records:
        whole.update(json.dumps(record, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    return whole.hexdigest()
