"""The GPUs of this machine, asked of NVIDIA's driver itself (NVML): torch would take seconds to tell. Free of torch."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass

LIBRARY = "libnvidia-ml.so.1"
VISIBLE = "CUDA_VISIBLE_DEVICES"
NO_GPU = ""  # as a value of it
SHARE = "AUTOML_GPU_SHARE"  # of a worker: the share of its GPU's memory that it may take, 0 to 1
TRIAL_BYTES = 3 << 30  # a small network with its data, its batch and the 0.5 GB that CUDA takes for each process
LEAST_BYTES = 1 << 30  # for a single one that makes do with smaller batches
MOST_ON_ONE = 4  # trials side by side take turns on a GPU; the gain is in the gaps between their kernels
KEPT_SHARE = 0.95  # of the memory that is free; what processes outside of us take later must still fit


@dataclass(frozen=True)
class Gpu:
    """`name`: as CUDA_VISIBLE_DEVICES takes it. `total` and `free`: bytes of its memory."""

    name: str
    total: int
    free: int

    @property
    def seats(self) -> int:
        """How many trials find room on it side by side; 0 on one that others have filled."""
        free = int(KEPT_SHARE * self.free)
        return min(max(free // TRIAL_BYTES, int(free >= LEAST_BYTES)), MOST_ON_ONE)


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def find_gpus() -> tuple[Gpu, ...]:
    """Those this process may use, in the order of CUDA_VISIBLE_DEVICES; none without a driver."""
    try:
        driver = ctypes.CDLL(LIBRARY)
    except OSError:
        return ()
    if driver.nvmlInit_v2() != 0:
        return ()
    try:
        count = ctypes.c_uint()
        driver.nvmlDeviceGetCount_v2(ctypes.byref(count))
        visible = os.environ.get(VISIBLE)
        names = [str(number) for number in range(count.value)] if visible is None else visible.split(",")
        asked = (_ask(driver, name.strip()) for name in names)
        return tuple(gpu for gpu in asked if gpu is not None)
    finally:
        driver.nvmlShutdown()


def _ask(driver: ctypes.CDLL, name: str) -> Gpu | None:
    """The GPU of this number or UUID; None if there is none."""
    handle, memory = ctypes.c_void_p(), _Memory()
    if name.isdigit():
        failed = driver.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(int(name)), ctypes.byref(handle))
    else:
        failed = driver.nvmlDeviceGetHandleByUUID(name.encode(), ctypes.byref(handle))
    if failed or driver.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)):
        return None
    return Gpu(name, memory.total, memory.free)
