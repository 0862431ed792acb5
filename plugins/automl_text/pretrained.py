"""How texts are given to pretrained networks: their tokens, and which of a network's answers is the vector."""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from automl.errors import ArtifactError
from automl.neural.pretrained.checkpoint import CONFIG
from automl.neural.pretrained.start import READING
from automl.task import Features

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

TOKENIZER, POOLING = "tokenizer.json", "1_Pooling/config.json"
MOST_TOKENS = 512
SPARE = 2  # positions that some kinds of networks keep for themselves
MOST_CHARACTERS = 20_000  # of a text that are looked at: more than MOST_TOKENS ever take


@dataclass(frozen=True)
class TextDoor:
    """`longest`: tokens that are read of a text, from its beginning. `together`: all columns of a row in one sequence,
    where the network sees them side by side; else each by itself."""

    longest: int = 128
    together: bool = False

    def open(self, folder: Path) -> TextReading:
        """For the checkpoint in a folder. ArtifactError where its tokenizer cannot be read."""
        import transformers

        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        try:
            known = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True)
            tokenizer = cast("Tokenizer", known.backend_tokenizer)
        except Exception as error:  # of many kinds, most of many lines
            said = str(error).strip().split("\n")[0][:200].rstrip(".")
            raise ArtifactError(f"The tokenizer in {folder} cannot be read: {said}.", "Fetch it again.") from error
        places = min(int(config.get("max_position_embeddings") or MOST_TOKENS + SPARE) - SPARE, MOST_TOKENS)
        return TextReading(
            tokenizer.to_str(),
            longest=max(min(self.longest, places, known.model_max_length), 1),
            padding=int(known.pad_token_id or 0),
            first=_first(folder),
            together=self.together,
        )

    def load(self, folder: Path) -> TextReading:
        """The one that was saved."""
        record = json.loads((folder / READING).read_text(encoding="utf-8"))
        return TextReading((folder / TOKENIZER).read_text(encoding="utf-8"), **record)


@dataclass(frozen=True)
class TextReading:
    """`tokenizer`: as JSON; `first`: the vector is that of the first token, else the mean of all tokens."""

    tokenizer: str = field(repr=False)
    longest: int
    padding: int
    first: bool
    together: bool

    def key(self) -> str:
        return f"{self.longest} {self.together}"

    def source(self, features: Features) -> TextSource:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(self.tokenizer)
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.longest)
        rows = [[str(text)[:MOST_CHARACTERS] for text in row] for row in features["texts"]]
        if self.together:
            separator = _separator(tokenizer)
            pairs = [row if len(row) == 2 else [separator.join(row)] for row in rows]
            encoded = [[tokenizer.encode(row[0], row[1] if len(row) == 2 else None)] for row in pairs]
        else:
            encoded = [tokenizer.encode_batch(row) for row in rows]
        return TextSource(encoded, self.padding)

    def trunk(self, network: nn.Module) -> TextTrunk:
        return TextTrunk(network, self.first)

    def save(self, folder: Path) -> None:
        (folder / TOKENIZER).write_text(self.tokenizer, encoding="utf-8")
        record = {name: value for name, value in asdict(self).items() if name != "tokenizer"}
        (folder / READING).write_text(json.dumps(record), encoding="utf-8")


@dataclass(frozen=True)
class TextSource:
    """Tokens, what is a token at all, and of which text of a pair it is: int64 (rows, columns, tokens) each."""

    rows: list[list[Encoding]]
    padding: int

    def __len__(self) -> int:
        return len(self.rows)

    def inputs(self, chosen: Tensor, training: bool, device: str) -> tuple[Tensor, ...]:
        rows = [self.rows[row] for row in chosen.tolist()]
        longest = max((len(each.ids) for row in rows for each in row), default=1) or 1

        def stacked(take: str, fill: int) -> Tensor:
            values = [[_filled(getattr(each, take), longest, fill) for each in row] for row in rows]
            return torch.tensor(values, dtype=torch.int64).to(device)

        return stacked("ids", self.padding), stacked("attention_mask", 0), stacked("type_ids", 0)


class TextTrunk(nn.Module):
    """Tokens, mask and types, int64 (n, columns, tokens) -> vectors, float32 (n, columns, width)."""

    def __init__(self, network: nn.Module, first: bool) -> None:
        super().__init__()
        self.network = network
        self.first = first
        types = getattr(getattr(network, "config", None), "type_vocab_size", 0) or 0
        self._typed = types > 1 and "token_type_ids" in inspect.signature(network.forward).parameters

    def forward(self, tokens: Tensor, mask: Tensor, types: Tensor) -> Tensor:
        rows, columns, _ = tokens.shape
        flat = mask.flatten(0, 1)
        more = {"token_type_ids": types.flatten(0, 1)} if self._typed else {}
        found = self.network(input_ids=tokens.flatten(0, 1), attention_mask=flat, **more).last_hidden_state
        if self.first:
            return cast(Tensor, found[:, 0]).view(rows, columns, -1)
        counted = flat.unsqueeze(2).to(found.dtype)
        vectors = (found * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1)
        return vectors.view(rows, columns, -1)


def _first(folder: Path) -> bool:
    """What a checkpoint of sentence-transformers says of its pooling; the mean of all tokens where it says nothing."""
    path = folder / POOLING
    if not path.is_file():
        return False
    stated: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return bool(stated.get("pooling_mode_cls_token")) and not stated.get("pooling_mode_mean_tokens")


def _separator(tokenizer: Tokenizer) -> str:
    known = [mark for mark in ("[SEP]", "</s>") if tokenizer.token_to_id(mark) is not None]
    return f" {known[0]} " if known else " "


def _filled(values: list[int], length: int, fill: int) -> list[int]:
    return values + [fill] * (length - len(values))
