"""PyTorch: the module, or the cell in a loop, called as PyTorch's documentation does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from backends import Inputs
from backends.pytorch.fused import Fused


def call(backend: Any, inputs: Inputs) -> Callable[[], Any]:
    """Return a call of the framework's own LSTM.

    Args:
        backend: the adapter whose overhead is timed; it tells how the framework is called.
        inputs: an LSTM with one layer; with incoming gradients, the call also computes gradients.

    Returns:
        The call.
    """
    fused = backend.way is Fused
    net = torch.nn.LSTM(1, 1, batch_first=True) if fused else torch.nn.LSTMCell(1, 1)
    x, h0, c0 = (torch.tensor(a, dtype=torch.float32) for a in (inputs.x, inputs.h0, inputs.c0))

    def forward() -> Any:
        if fused:
            y, (h, c) = net(x, (h0, c0))
            return y, h, c
        ys, h, c = [], h0[0], c0[0]
        for t in range(x.shape[1]):
            h, c = net(x[:, t], (h, c))
            ys.append(h)
        return torch.stack(ys, dim=1), h[None], c[None]

    if inputs.incoming is None:
        net.eval()

        def infer() -> Any:
            with torch.inference_mode():
                return forward()

        return infer
    leaves = [x.requires_grad_(), h0.requires_grad_(), c0.requires_grad_(), *net.parameters()]
    incoming = [torch.tensor(d, dtype=torch.float32) for d in inputs.incoming if d is not None]
    return lambda: torch.autograd.grad(forward(), leaves, incoming)
