"""Figures about monitoring, each by one command: `python -m benchmarks.monitoring.NAME`."""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # before anything heavy is imported
