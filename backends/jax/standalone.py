"""One case as a script runs it: device and precision, without an adapter."""

from __future__ import annotations

from functools import partial

import jax

from backends.adapter import AnyInputs, Inputs, NetworkInputs, Result, TrainingInputs
from backends.dialects import Dialect
from backends.jax import cudnn, deferred, network, recurrent, scan, training
from backends.jax.device import Place, set_precision, set_wide
from backends.jax.scan import Unroll

WAYS: dict[str, Unroll] = {
    "jax_scan": partial(scan.network, scan.scan),
    "jax_vjp": partial(scan.network, deferred.scan),
    "jax_cudnn": cudnn.network,
}
"""The function by which each backend runs a network over time."""


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
    set_wide()
    set_precision(inputs.precision)
    kind, _, number = device.partition(":")
    place = Place(jax.devices(kind)[int(number or 0)], dialect, WAYS[backend])
    match inputs:
        case Inputs():
            return recurrent.fetch(inputs, recurrent.load(inputs, place)(), place)
        case NetworkInputs():
            return network.run(inputs, place)
        case TrainingInputs():
            return training.train(inputs, place)
