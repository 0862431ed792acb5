"""The state of a training after an epoch, on disk: one file of tensors, written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

FILE = "state.safetensors"
RECORD = "record"


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and a record of plain JSON beside them."""

    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any]

    def save(self, folder: Path) -> None:
        """Write it in place of an older one. It survives a killed process; a power cut costs at most this epoch."""
        from safetensors.torch import save_file

        draft = folder / f".{FILE}"
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        save_file(tensors, draft, metadata={RECORD: json.dumps(self.record)})
        os.replace(draft, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Checkpoint | None:
        """The one in this folder; None where there is none that can be read."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(folder / FILE, framework="pt") as file:
                record = json.loads(file.metadata()[RECORD])
                return cls({name: file.get_tensor(name) for name in file.keys()}, record)  # noqa: SIM118 - no mapping
        except (OSError, SafetensorError, ValueError, KeyError, TypeError):
            return None


def within(tensors: Mapping[str, Tensor], home: str) -> dict[str, Tensor]:
    """Those below `home/`, without it."""
    return {name.removeprefix(f"{home}/"): tensor for name, tensor in tensors.items() if name.startswith(f"{home}/")}


def below(home: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors below `home/`."""
    return {f"{home}/{name}": tensor for name, tensor in tensors.items()}
