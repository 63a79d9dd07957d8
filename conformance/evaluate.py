"""Evaluate the specification on a case's inputs: every tensor by name, on any kind of array."""

from __future__ import annotations

from backends import AnyInputs, Inputs, NetworkInputs, TrainingInputs
from reference import Array, run, vjp
from reference.networks.layers import Data
from reference.networks.network import differentiate, free_words
from reference.networks.training import train
from reference.rounding import Lift
from reference.trees import each, named

Tensors = dict[str, Array]


def evaluate(inputs: AnyInputs, lift: Lift) -> Tensors:
    """Run the specification on arrays made with ``lift``.

    Args:
        inputs: the inputs of a case.
        lift: makes an array of the wanted kind of a float64 one.

    Returns:
        The tensors, named as in ``backends.Result``.

    """
    match inputs:
        case Inputs():
            return _evaluate_recurrent(inputs, lift)
        case NetworkInputs():
            return _evaluate_network(inputs, lift)
        case TrainingInputs():
            return _evaluate_training(inputs, lift)


def _evaluate_recurrent(inputs: Inputs, lift: Lift) -> Tensors:
    """Return y, h_n, c_n, and the gradients if the inputs have incoming ones."""
    params, x, h0, c0 = each(lift, (inputs.params, inputs.x, inputs.h0, inputs.c0))
    options = {"h0": h0, "c0": c0, "lengths": inputs.lengths}
    if inputs.incoming is None:
        return _present(run(inputs.spec, params, x, **options)._asdict())
    output, pullback = vjp(inputs.spec, params, x, **options)
    found = pullback(each(lift, inputs.incoming))
    gradients = {"dx": found.x, "dh0": found.h0, "dc0": found.c0}
    return _present({**output._asdict(), **gradients}) | named(found.params, "dparams")


def _evaluate_network(inputs: NetworkInputs, lift: Lift) -> Tensors:
    """Return y, the loss and the gradients. The words that a decoder feeds back are those of the truth."""
    words = free_words(inputs.network, inputs.params, inputs.data)
    params, data = each(lift, inputs.params), _lift_data(inputs.data, lift)
    found = differentiate(inputs.network, params, data, words)
    tensors = {"y": found.y, "loss": found.loss, "dx": found.x}
    return _present(tensors) | named(found.params, "dparams")


def _evaluate_training(inputs: TrainingInputs, lift: Lift) -> Tensors:
    """Return the loss of every step, and the trained parameters after the last one."""
    batches = [_lift_data(batch, lift) for batch in inputs.batches]
    params = each(lift, inputs.params)
    losses, params = train(
        inputs.network, params, batches, inputs.optimiser, inputs.clip, inputs.fixed
    )
    left = named(params, "params")
    return {"loss": losses} | {name: a for name, a in left.items() if name not in inputs.fixed}


def _lift_data(data: Data, lift: Lift) -> Data:
    """Lift the input if it holds numbers, and give numeric targets the same dtype."""
    x, targets = data.x, data.targets
    if targets is not None and targets.dtype.kind == "f":
        targets = targets.astype(lift(targets).dtype)
    return data._replace(x=lift(x) if x.dtype.kind == "f" else x, targets=targets)


def _present(tensors: dict[str, Array | None]) -> Tensors:
    return {name: a for name, a in tensors.items() if a is not None}
