"""The tensors that a script expects: the specification's, in float64, by the names of ``backends.Result``.

A script has this module's source, and that of ``reference/`` below it. Arguments were checked when the case
was drawn.
"""

from __future__ import annotations

from backends import AnyInputs, Inputs, NetworkInputs, TrainingInputs
from reference import Array, bptt, rnn
from reference.networks import training
from reference.networks.network import gradients
from reference.trees import named


def equations(inputs: AnyInputs) -> dict[str, Array]:
    """Return every tensor of the case.

    Args:
        inputs: The case's inputs.

    Returns:
        The tensors by name, float64.
    """
    match inputs:
        case Inputs():
            return bare(inputs)
        case NetworkInputs():
            return network(inputs)
        case TrainingInputs():
            return trained(inputs)


def bare(inputs: Inputs) -> dict[str, Array]:
    """Return outputs and final states, and the gradients where they are asked for.

    Args:
        inputs: The inputs of a recurrent network.

    Returns:
        The tensors by name.
    """
    spec, params, x = inputs.spec, inputs.params, inputs.x
    given = {"h0": inputs.h0, "c0": inputs.c0, "lengths": inputs.lengths}
    if inputs.incoming is None:
        return _present(rnn.run(spec, params, x, **given)._asdict())
    output, pullback = bptt.vjp(spec, params, x, **given)
    found = pullback(inputs.incoming)
    by_input = {"dx": found.x, "dh0": found.h0, "dc0": found.c0}
    return _present(output._asdict() | by_input) | named(found.params, "dparams")


def network(inputs: NetworkInputs) -> dict[str, Array]:
    """Return the output, the loss and its gradients.

    Args:
        inputs: The inputs of a whole network.

    Returns:
        The tensors by name.
    """
    found = gradients(inputs.network, inputs.params, inputs.data)
    tensors = {"y": found.y, "loss": found.loss, "dx": found.x}
    return _present(tensors) | named(found.params, "dparams")


def trained(inputs: TrainingInputs) -> dict[str, Array]:
    """Return the loss of every step, and the parameters after the last one.

    Args:
        inputs: The inputs of training.

    Returns:
        The tensors by name; none of a parameter that stays fixed.
    """
    losses, params = training.train(
        inputs.network, inputs.params, inputs.batches, inputs.optimiser, inputs.clip, inputs.fixed
    )
    left = named(params, "params")
    return {"loss": losses} | {name: a for name, a in left.items() if name not in inputs.fixed}


def _present(tensors: dict[str, Array | None]) -> dict[str, Array]:
    """Return those that there are."""
    return {name: a for name, a in tensors.items() if a is not None}
