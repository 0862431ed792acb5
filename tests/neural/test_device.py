"""Where networks are trained: precision, and a memory that is too small. No GPU is needed: the paths are the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from automl.neural.device import Device, Parts, Stepper, is_out_of_memory


class Cramped(nn.Module):
    """A linear layer on a device whose memory holds only so many rows."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rows, self.layer = rows, nn.Linear(3, 1)
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        if len(x) > self.rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return self.layer(x)


def stepped(room: int, device: Device) -> tuple[Cramped, Stepper, list[float]]:
    """Three steps over the same 20 rows, where `room` rows find room."""
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(20, 3, generator=generator), torch.randn(20, 1, generator=generator)
    network = Cramped(room)
    stepper = Stepper(device, network, torch.optim.SGD(network.parameters(), 0.1), longest=1.0)

    def loss_of(part: slice) -> Tensor:
        return nn.functional.mse_loss(device.outputs(network, [x[part]]), y[part])

    return network, stepper, [float(stepper.step(len(x), loss_of)) for _ in range(3)]


@pytest.mark.parametrize("precision", [None, torch.bfloat16, torch.float16], ids=str)
def test_a_full_memory_makes_smaller_parts_and_the_same_steps(precision: torch.dtype | None) -> None:
    device = Device("cpu", precision)
    roomy, _, expected = stepped(100, device)
    cramped, stepper, losses = stepped(6, device)
    assert cramped.seen == [20, 10, 5, 5, 5, 5, *[5] * 8]  # found once, kept for the steps that follow
    assert stepper.parts.count == 4
    assert losses == pytest.approx(expected, rel=1e-5 if precision is None else 1e-2)
    assert losses[2] < losses[0]
    torch.testing.assert_close(
        cramped.layer.weight, roomy.layer.weight, rtol=1e-2, atol=1e-5 if precision is None else 1e-2
    )


def test_a_memory_too_small_for_two_rows_is_said() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        stepped(1, Device("cpu"))


def test_other_errors_are_not_taken_for_a_full_memory() -> None:
    parts = Parts()

    def work(part: slice) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        parts.run(20, work)
    assert parts.count == 1
    assert is_out_of_memory(RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"))


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_parts_cover_every_row_once(rows: int) -> None:
    parts = Parts()
    parts.count = 4
    covered = parts.run(rows, lambda part: list(range(rows))[part])
    assert [row for part in covered for row in part] == list(range(rows))


def test_a_cpu_reckons_in_float32_and_keeps_data_where_it_is() -> None:
    device, data = Device.of("cpu"), torch.arange(12.0).view(4, 3)
    assert (device.precision, device.is_gpu) == (None, False)
    assert device.hold(data) is data
    assert device.take(data, torch.tensor([3, 0])).tolist() == [[9, 10, 11], [0, 1, 2]]
    with device.autocast():
        assert nn.Linear(3, 2)(data).dtype == torch.float32
    placed = device.place(nn.Conv2d(2, 4, 3))
    assert placed.weight.is_contiguous(memory_format=torch.channels_last)


def test_lower_precision_is_for_the_network_alone() -> None:
    class Remembering(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            self.said = super().forward(x).dtype
            return super().forward(x)

    network = Remembering(3, 2)
    assert Device("cpu", torch.bfloat16).outputs(network, [torch.ones(4, 3)]).dtype == torch.float32
    assert network.said == torch.bfloat16
