"""Several trials on one GPU, each within its share of the memory. No GPU is needed: none is asked for work."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

from automl.neural.gpus import NO_GPU, SHARE, TRIAL_BYTES, VISIBLE, Gpu, find_gpus
from automl.search.budget import ThreadPlan, plan_gpus
from automl.search.executors import LocalExecutor

GB = 1 << 30


@pytest.mark.parametrize(
    ("slots", "free", "torch"),
    [(8, [80], 4), (2, [80], 2), (8, [7], 2), (8, [2], 1), (16, [80, 80], 8), (16, [80, 1.9], 5), (16, [80, 0.1], 4)],
)
def test_as_many_trials_share_gpus_as_memory_and_slots_allow(slots: int, free: list[float], torch: int) -> None:
    gpus = [Gpu(str(number), 80 * GB, int(each * GB)) for number, each in enumerate(free)]
    plan = plan_gpus(ThreadPlan(slots, 1), gpus)
    assert plan.torch == torch
    assert (plan.slots, plan.threads) == (slots, 1)
    on_one = -(-torch // len(plan.gpus))
    for gpu in gpus:
        assert (gpu.name in plan.gpus) == (gpu.seats > 0)
        if gpu.seats:
            assert 0 < plan.share * on_one * gpu.total < gpu.free


def test_without_a_gpu_the_plan_stays_and_with_full_ones_they_are_hidden() -> None:
    plan = ThreadPlan(4, 1, torch=4)
    assert plan_gpus(plan, []) == plan
    full = plan_gpus(plan, [Gpu("0", 80 * GB, TRIAL_BYTES // 10)])
    assert (full.gpus, full.torch) == ((NO_GPU,), 4)


@pytest.mark.skipif(sys.platform != "linux" or Path("/dev/nvidiactl").exists(), reason="needs a machine without a GPU")
def test_without_a_driver_there_is_no_gpu() -> None:
    assert find_gpus() == ()


@pytest.mark.skipif(sys.platform != "linux", reason="reads the environment of processes")
def test_each_worker_is_told_its_gpu_and_its_share() -> None:
    executor = LocalExecutor(ThreadPlan(slots=3, threads=1, torch=3, gpus=("0", "GPU-b"), share=0.3))
    before = {child.pid for child in psutil.Process().children()}
    try:
        executor.warm([])
        workers = [child for child in psutil.Process().children() if child.pid not in before]
        told = [worker.environ() for worker in workers]
        assert sorted(each[VISIBLE] for each in told) == ["0", "0", "GPU-b"]
        assert {each[SHARE] for each in told} == {"0.3"}
        assert {each["CUDA_DEVICE_ORDER"] for each in told} == {os.environ.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID")}
    finally:
        executor.close()
