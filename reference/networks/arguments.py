"""The boundary of whole networks: what does not fit is refused before any work starts."""

from __future__ import annotations

from typing import Any, get_args

from reference.arguments import check_array, kind_of
from reference.networks.data_arguments import check_data, leading_axes
from reference.networks.layers import (
    Data,
    Decoder,
    Embedding,
    FinalState,
    Layer,
    MeanSquaredError,
    NegativeLogLikelihood,
    Network,
    NetworkParams,
    OneHot,
    Readout,
    Recurrent,
    Vector,
    Vectors,
)
from reference.networks.shapes import NOTHING, Passing, passes, passings, zeros
from reference.spec import Array, Spec
from reference.trees import named

INPUTS = (Vectors, Vector, OneHot, Embedding)
LOSSES = (NegativeLogLikelihood, MeanSquaredError)
ACTIVATIONS = ("identity", "tanh", "relu", "softmax")
CHOICES: dict[str, tuple[str, ...]] = {
    "activation": ACTIVATIONS,
    "context": ("input", "state", "both"),
    "words": ("none", "teacher", "free"),
    "bridge": ("none", "identity", "tanh"),
    "reduction": ("mean", "sum"),
}
SIZES = ("size", "vocabulary", "units", "steps")


def check_arguments(
    network: Network, params: NetworkParams, data: Data, words: Array | None = None
) -> None:
    """Check the arguments of a network's run.

    Args:
        network: Layers.
        params: The network's parameters, an entry for every layer.
        data: Input and targets.
        words: Words that a free-running decoder is fed (B, S), or None.

    Raises:
        ValueError: The first of them that does not fit.
    """
    check_network(network)
    check_parameters(network, params)
    check_data(network, params, data, words)


def check_network(network: Any) -> None:
    """Check that every layer can read what the layer before it passes on.

    Args:
        network: Layers.

    Raises:
        ValueError: A layer is unknown, has a bad value, or cannot stand in its place.
    """
    if not isinstance(network, tuple) or len(network) == 0:
        raise ValueError(f"network: {network!r} given, expected a tuple of layers")
    for k, layer in enumerate(network):
        where = f"network[{k}]"
        if type(layer) not in get_args(Layer):  # a subclass has no equations here
            raise ValueError(
                f"{where}: {kind_of(layer)} given, expected a layer (reference/networks/layers.py)"
            )
        _check_choices(where, layer)
        if (k == 0) != isinstance(layer, INPUTS):
            wanted = "an input layer first" if k == 0 else "input layers in the first place only"
            raise ValueError(f"{where}: {layer} given, expected {wanted}")
        if isinstance(layer, LOSSES) and k != len(network) - 1:
            raise ValueError(f"{where}: {layer} given, expected a loss in the last place only")
    for k, (before, layer) in enumerate(zip(passings(network), network[1:], strict=False)):
        _check_reads(f"network[{k + 1}]", layer, network[k], before)
    _check_steps(network)


def _check_steps(network: Network) -> None:
    """Check that no layer counts by the input's steps once the steps are no longer the input's."""
    changed: Layer | None = None
    for k, layer in enumerate(network):
        chooses = isinstance(layer, Readout) and layer.at != "every"
        if changed and (chooses or isinstance(layer, Recurrent)):
            raise ValueError(
                f"network[{k}]: {kind_of(layer)} given after {changed}, whose steps are not those of "
                "the input; expected layers that read every step"
            )
        if isinstance(layer, Decoder) or (chooses and passes(layer, NOTHING).sequence):
            changed = layer


def _check_choices(where: str, layer: Layer) -> None:
    """Check every field of a layer on its own."""
    for name, value in vars(layer).items():
        wanted = ""
        if name in CHOICES and not (isinstance(value, str) and value in CHOICES[name]):
            wanted = f"one of {CHOICES[name]}"
        elif name in SIZES and (type(value) is not int or value < 1):
            wanted = "a Python int of at least 1"
        elif name == "word_size" and (type(value) is not int or value < 0):
            wanted = "a Python int, 0 where no word is fed"
        elif name == "bias" and not isinstance(value, bool):
            wanted = "True or False"
        elif name == "at" and not _are_steps(value):
            wanted = "'every', 'last' or a tuple of different Python ints from 0"
        elif name == "spec" and not isinstance(value, Spec):
            wanted = "a Spec"
        elif name == "spec" and not value.batch_first:
            wanted = "batch_first=True in a network"
        if wanted:
            raise ValueError(f"{where}.{name}: {value!r} given, expected {wanted}")


def _are_steps(value: object) -> bool:
    if isinstance(value, str):
        return value in ("every", "last")
    return (
        isinstance(value, tuple)
        and len(value) > 0
        and all(type(t) is int and t >= 0 for t in value)
        and len(set(value)) == len(value)
    )


def _check_reads(where: str, layer: Layer, previous: Layer, before: Passing) -> None:
    given = "a sequence" if before.sequence else "a vector"
    expected = {Recurrent: True, Readout: True, Decoder: False}.get(type(layer), before.sequence)
    if before.sequence != expected and not isinstance(layer, FinalState):
        wanted = "a vector" if before.sequence else "a sequence"
        raise ValueError(
            f"{where}: {kind_of(layer)} reads {wanted}, but {previous} passes on {given}"
        )
    match layer:
        case Recurrent(spec=spec) if spec.input_size != before.width:
            raise ValueError(
                f"{where}.spec.input_size: {spec.input_size} given, but {previous} passes on "
                f"{before.width} numbers a step"
            )
        case FinalState() if not isinstance(previous, Recurrent):
            raise ValueError(f"{where}: FinalState reads a Recurrent, but {previous} is before it")
        case NegativeLogLikelihood() if getattr(previous, "activation", "") != "softmax":
            raise ValueError(f"{where}: a likelihood reads a softmax, but {previous} is before it")
        case Decoder():
            _check_decoder(where, layer, before.width)


def _check_decoder(where: str, layer: Decoder, context: int) -> None:
    spec = layer.spec
    if spec.direction != "forward":
        raise ValueError(f"{where}.spec.direction: {spec.direction!r} given, expected 'forward'")
    if (layer.words == "none") != (layer.word_size == 0):
        raise ValueError(
            f"{where}.word_size: {layer.word_size} given for words={layer.words!r}, expected 0 where "
            "no word is fed, and at least 1 where one is"
        )
    if layer.words == "none" and layer.context == "state":
        raise ValueError(
            f"{where}: context='state' and words='none' given: no step would read anything; feed "
            "words, or the context as input"
        )
    width = layer.word_size + (0 if layer.context == "state" else context)
    if spec.input_size != width:
        raise ValueError(
            f"{where}.spec.input_size: {spec.input_size} given, but a step reads {width} numbers: the "
            f"word's {layer.word_size} and, where context is not 'state', the context's {context}"
        )
    if layer.context == "input" and layer.bridge != "none":
        raise ValueError(
            f"{where}.bridge: {layer.bridge!r} given, but the context makes no state; expected 'none'"
        )
    if layer.context != "input" and layer.bridge == "none" and context != spec.state_size("h"):
        raise ValueError(
            f"{where}.bridge: 'none' given, but a context of {context} numbers is no state of "
            f"{spec.state_size('h')}; expected 'identity' or 'tanh'"
        )


def check_parameters(network: Network, params: Any) -> None:
    """Check that parameters are those of a network, finite and of one dtype.

    Args:
        network: Layers.
        params: The network's parameters, an entry for every layer.

    Raises:
        ValueError: A parameter is missing, unknown, misshapen, not finite or of another dtype.
    """
    expected = named(zeros(network), "params")
    if not expected and isinstance(network[0], OneHot):
        raise ValueError(f"network: {network} given, expected a layer with parameters, whose type a "
                         "one-hot word takes")  # fmt: skip
    if not isinstance(params, tuple) or len(params) != len(network):
        raise ValueError(
            f"params: expected a tuple with one entry for each of {len(network)} layers"
        )
    found = named(params, "params")
    if missing := [name for name in expected if name not in found]:
        raise ValueError(f"{missing[0]}: not given, expected shape {expected[missing[0]].shape}")
    if extra := [name for name in found if name not in expected]:
        raise ValueError(f"{extra[0]}: given, but the network has no such parameter")
    for name, value in found.items():
        of, like = next(iter(found.items()))
        check_array(name, value, "(..., *shape)", expected[name].shape, like, of)
    leading = leading_axes(network, params)
    for name, axes in leading.items():
        of, first = next(iter(leading.items()))
        if axes != first or 0 in axes:
            wanted = f"the {first} of {of}" if axes != first else "none of 0"
            raise ValueError(f"{name}: leading axes {axes} given, expected {wanted}")


def check_loss(network: Network) -> None:
    """Check that a network ends in a loss.

    Args:
        network: Layers.

    Raises:
        ValueError: It does not.
    """
    if not isinstance(network[-1], LOSSES):
        raise ValueError(f"network: it ends in {network[-1]}, expected a loss")
