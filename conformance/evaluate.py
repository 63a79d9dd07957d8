"""What the specification says of a case's inputs: every tensor by name, on any kind of array."""

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
    """The specification's tensors, named as in ``backends.Result``, run on arrays made with ``lift``."""
    match inputs:
        case Inputs():
            return recurrent(inputs, lift)
        case NetworkInputs():
            return network(inputs, lift)
        case TrainingInputs():
            return training(inputs, lift)


def recurrent(inputs: Inputs, lift: Lift) -> Tensors:
    """y, h_n, c_n, and the gradients where they are asked for."""
    params, x, h0, c0 = each(lift, (inputs.params, inputs.x, inputs.h0, inputs.c0))
    options = {"h0": h0, "c0": c0, "lengths": inputs.lengths}
    if inputs.incoming is None:
        return _present(run(inputs.spec, params, x, **options)._asdict())
    output, pullback = vjp(inputs.spec, params, x, **options)
    found = pullback(each(lift, inputs.incoming))
    gradients = {"dx": found.x, "dh0": found.h0, "dc0": found.c0}
    return _present({**output._asdict(), **gradients}) | named(found.params, "dparams")


def network(inputs: NetworkInputs, lift: Lift) -> Tensors:
    """y, the loss and the gradients; the words that are fed back are those of the truth."""
    words = free_words(inputs.network, inputs.params, inputs.data)
    params, data = each(lift, inputs.params), lifted(inputs.data, lift)
    found = differentiate(inputs.network, params, data, words)
    tensors = {"y": found.y, "loss": found.loss, "dx": found.x}
    return _present(tensors) | named(found.params, "dparams")


def training(inputs: TrainingInputs, lift: Lift) -> Tensors:
    """The loss of every step, and at the end the parameters that were trained."""
    batches = [lifted(batch, lift) for batch in inputs.batches]
    params = each(lift, inputs.params)
    losses, params = train(
        inputs.network, params, batches, inputs.optimiser, inputs.clip, inputs.fixed
    )
    left = named(params, "params")
    return {"loss": losses} | {name: a for name, a in left.items() if name not in inputs.fixed}


def lifted(data: Data, lift: Lift) -> Data:
    """``data`` with its input, where it is numbers, made with ``lift``, and targets of that dtype."""
    x, targets = data.x, data.targets
    if targets is not None and targets.dtype.kind == "f":
        targets = targets.astype(lift(targets).dtype)
    return data._replace(x=lift(x) if x.dtype.kind == "f" else x, targets=targets)


def _present(tensors: dict[str, Array | None]) -> Tensors:
    return {name: a for name, a in tensors.items() if a is not None}
