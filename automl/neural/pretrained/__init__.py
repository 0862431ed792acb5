"""Networks that others trained: found on this machine, verified, used as a start.

`finding` looks for checkpoints and `checkpoint` verifies one; both read headers only and import neither torch nor
transformers. The other modules do, and only workers and code that predicts come there. Nothing here reaches for the
network, except `fetching`, where the user allowed it.
"""
