"""From the features of the task `text` to the inputs of a network: tokens, and numbers and categories beside them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np

from automl.data.dataset import Array
from automl.neural.beside import Beside
from automl.task import Features, Problem
from automl_text.tokens import Tokenizer, Tokens

TOKENIZER = "tokens.model"
FILE = "inputs.json"
LONG = 0.98  # quantile of the training texts' lengths; the few longer ones would make all batches wait


@dataclass(frozen=True, eq=False)
class Inputs:
    """Learned on training rows. `longest`: tokens of a text that are read, from its beginning."""

    tokenizer: Tokenizer
    beside: Beside
    longest: int

    @classmethod
    def learn(cls, features: Features, problem: Problem, pieces: int, longest: int) -> tuple[Inputs, Tokens]:
        """With at most so many pieces and tokens; and the tokens of these rows. Remembered, as each trial asks."""
        known = _known.setdefault(features, {})
        if (pieces, longest) not in known:
            texts = features["texts"]
            tokenizer = _tokenizer(features, pieces)
            usual = np.quantile(tokenizer.tokens(texts, longest).lengths, LONG) if len(texts) else 0
            inputs = cls(tokenizer, Beside.learn(features, problem), max(int(usual), 1))
            known[pieces, longest] = inputs, inputs.tokens(features)
        return known[pieces, longest]

    def tokens(self, features: Features) -> Tokens:
        """Of each text column, in the order of the schema."""
        return self.tokenizer.tokens(features["texts"], self.longest)

    def save(self, folder: Path) -> None:
        (folder / TOKENIZER).write_bytes(self.tokenizer.model)
        record = {"beside": asdict(self.beside), "longest": self.longest}
        (folder / FILE).write_text(json.dumps(record), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Inputs:
        """What `save` wrote."""
        record = json.loads((folder / FILE).read_text(encoding="utf-8"))
        beside = Beside(**{name: tuple(values) for name, values in record["beside"].items()})
        return cls(Tokenizer((folder / TOKENIZER).read_bytes()), beside, record["longest"])


_known: WeakKeyDictionary[Features, dict[tuple[int, int], tuple[Inputs, Tokens]]] = WeakKeyDictionary()
_tokenizers: WeakKeyDictionary[Features, dict[int, Tokenizer]] = WeakKeyDictionary()


def _tokenizer(features: Features, pieces: int) -> Tokenizer:
    known = _tokenizers.setdefault(features, {})
    if pieces not in known:
        known[pieces] = Tokenizer.learn(features["texts"].ravel(), pieces)
    return known[pieces]


def joined(columns: Array) -> Array:
    """(rows, columns, width) -> (rows, inputs): side by side; of a pair also how far apart and how alike they are.

    Source: Conneau et al., arXiv 1705.02364.
    """
    rows, count, _ = columns.shape
    parts = [columns.reshape(rows, -1)]
    if count == 2:
        parts += [abs(columns[:, 0] - columns[:, 1]), columns[:, 0] * columns[:, 1]]
    return np.concatenate(parts, axis=1)
