"""One case as a script runs it: device and precision, without an adapter."""

from __future__ import annotations

import torch

from backends.adapter import AnyInputs, Inputs, NetworkInputs, Result, TrainingInputs
from backends.dialects import Dialect
from backends.pytorch import network, recurrent, training
from backends.pytorch.cells import Cells
from backends.pytorch.device import Place, Way, set_libraries, set_precision, set_reductions
from backends.pytorch.fused import Fused

WAYS: dict[str, Way] = {"pytorch": Fused, "pytorch_cells": Cells, "pytorch_native": Fused}
"""The modules of each backend."""


def standalone(inputs: AnyInputs, dialect: Dialect, backend: str, device: str) -> Result:
    """Run a case once.

    Args:
        inputs: The case's inputs.
        dialect: The backend's dialect.
        backend: Its name in ``backends.BACKENDS``.
        device: ``cpu``, ``cuda`` or ``cuda:N``.

    Returns:
        The tensors that the adapter returns.
    """
    set_reductions()
    if backend == "pytorch_native":
        set_libraries(on=False)
    set_precision(inputs.precision)
    place = Place(torch.device(device), getattr(torch, inputs.dtype), dialect, WAYS[backend])
    match inputs:
        case Inputs():
            return recurrent.fetch(inputs, recurrent.load(inputs, place)(), place)
        case NetworkInputs():
            return network.run(inputs, place)
        case TrainingInputs():
            return training.train(inputs, place)
