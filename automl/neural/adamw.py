"""AdamW that is never compiled.

The public methods of torch's optimisers call on `torch._dynamo` before they do their work: with 800 modules it costs
every process that trains for the first time 1.4 s, of a short search's few. What they wrap does without.
"""

from __future__ import annotations

import inspect

import torch


class EagerAdamW(torch.optim.AdamW):
    """The same steps, bit for bit."""

    add_param_group = inspect.unwrap(torch.optim.AdamW.add_param_group)
    load_state_dict = inspect.unwrap(torch.optim.AdamW.load_state_dict)
    state_dict = inspect.unwrap(torch.optim.AdamW.state_dict)
    zero_grad = inspect.unwrap(torch.optim.AdamW.zero_grad)
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))
