"""Where a network is trained, in which precision, and what happens when its memory is full. Imports torch."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

from automl.neural.gpus import SHARE

HELD_SHARE = 0.25  # of the memory this process may take: what data may stay on the device all the time
LEAST_PART = 2  # rows: batch normalisation of a single row has nothing to go by

T = TypeVar("T")


@dataclass(frozen=True)
class Device:
    """A device of torch by name. `precision`: what matrix products and convolutions are reckoned in; None: float32.

    `memory`: bytes that this process may take of a GPU; 0 on a CPU.
    """

    name: str
    precision: torch.dtype | None = None
    memory: int = 0

    @classmethod
    def of(cls, name: str) -> Device:
        """The device `Progress.device` names: bf16 on a GPU that has it, fp16 on one with tensor cores for that alone.

        A GPU is told to take TF32 for what stays float32, to look for the quickest convolutions, and to keep within
        this process's share of its memory, so that trials side by side do not starve each other.
        """
        if not name.startswith("cuda"):
            return cls(name)
        device = torch.device(name)
        share = min(max(float(os.environ.get(SHARE, "1")), 0.0), 1.0) or 1.0
        if share < 1:
            torch.cuda.set_per_process_memory_fraction(share, device)
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
        major, _ = torch.cuda.get_device_capability(device)
        precision = torch.bfloat16 if major >= 8 else torch.float16 if major >= 7 else None
        return cls(name, precision, int(share * torch.cuda.get_device_properties(device).total_memory))

    @property
    def is_gpu(self) -> bool:
        """Is this a GPU?"""
        return self.name.startswith("cuda")

    def autocast(self) -> AbstractContextManager[None]:
        """Inside, matrix products and convolutions take `precision`."""
        if self.precision is None:
            return nullcontext()
        return torch.autocast(torch.device(self.name).type, dtype=self.precision)

    def outputs(self, network: nn.Module, inputs: Sequence[Tensor]) -> Tensor:
        """`network(*inputs)` in `precision`, given back as float32, of which losses and shares are reckoned."""
        with self.autocast():
            outputs: Tensor = network(*inputs)
        return outputs.float()

    def place(self, network: nn.Module) -> nn.Module:
        """The network itself, moved here, its convolutions laid out channels-last: quicker on a CPU and on a GPU."""
        return network.to(self.name, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def hold(self, data: Tensor) -> Tensor:
        """Data of all rows: here, if it takes little of the memory there is; else where it was, ready to be sent."""
        if not self.is_gpu:
            return data
        if data.nbytes <= HELD_SHARE * self.memory:
            return data.to(self.name)
        return data.pin_memory()

    def take(self, data: Tensor, rows: Tensor) -> Tensor:
        """These rows of what `hold` gave, here. `rows`: int64 on a CPU."""
        if data.device.type == torch.device(self.name).type:
            return data[rows.to(data.device, non_blocking=True)]
        return data[rows].pin_memory().to(self.name, non_blocking=True)


class Parts:
    """Runs work over rows in as few parts as memory allows. `count`: how many; it doubles when memory is full."""

    def __init__(self) -> None:
        self.count = 1

    def run(self, rows: int, work: Callable[[slice], T], afresh: Callable[[], None] = lambda: None) -> list[T]:
        """What `work` gives for each part of the rows. `afresh` is called before the first part, also of a new try.

        Raises what the device raised where not even LEAST_PART rows find room.
        """
        while True:
            afresh()
            try:
                return [work(part) for part in _split(rows, self.count)]
            except RuntimeError as error:
                if not is_out_of_memory(error) or rows < 2 * LEAST_PART * self.count:
                    raise
            self.count *= 2  # only here, after the error and the tensors that its frames hold are gone
            free_memory()


class Stepper:
    """Steps of an optimiser: each over a whole batch, in parts where memory is short, scaled where fp16 needs it."""

    def __init__(self, device: Device, network: nn.Module, optimizer: torch.optim.Optimizer, longest: float) -> None:
        """`longest`: the norm that gradients are cut to."""
        self._network = network
        self._optimizer = optimizer
        self._longest = longest
        self._scaler = torch.amp.GradScaler(torch.device(device.name).type, enabled=device.precision is torch.float16)
        self.parts = Parts()

    def step(self, rows: int, loss_of: Callable[[slice], Tensor]) -> Tensor:
        """One step. `loss_of`: the mean loss of these rows of the batch, of which there are `rows`; the parts' mean is
        that of the batch, so that the step is the same (but for batch normalisation) however many parts there are.

        The loss, a scalar on the device: reading it makes the device wait, so not after every step.
        """

        def descend(part: slice) -> Tensor:
            loss = loss_of(part) * ((part.stop - part.start) / rows)
            self._scaler.scale(loss).backward()
            return loss.detach()

        losses = self.parts.run(rows, descend, self._optimizer.zero_grad)
        self._scaler.unscale_(self._optimizer)
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), self._longest)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return torch.stack(losses).sum()


def is_out_of_memory(error: BaseException) -> bool:
    """Does this error say that a memory is full: the GPU's, cuDNN's workspace, or the machine's own?"""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and any(
        word in said for word in ("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "can't allocate memory")
    )


def free_memory() -> None:
    """Give back what is kept for later, so that other trials on the same GPU find it."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _split(rows: int, parts: int) -> list[slice]:
    """Slices of nearly equal length, in order; none is empty."""
    parts = max(min(parts, rows), 1)
    edges = [rows * number // parts for number in range(parts + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]
