"""The boundary of a network's data: what does not fit is refused before any work starts."""

from __future__ import annotations

from typing import Any

import numpy as np

from reference.arguments import (
    check_array,
    check_float,
    check_input_is_finite,
    check_lengths,
    is_plain_array,
    kind_of,
)
from reference.networks.layers import (
    Data,
    Decoder,
    Embedding,
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
from reference.networks.shapes import target_shape, zeros
from reference.spec import Array
from reference.trees import named


def check_data(
    network: Network,
    params: NetworkParams,
    data: Data,
    words: Array | None = None,
    *,
    alone: bool = True,
) -> None:
    """Check that data are those that a network reads and its loss compares with.

    Args:
        network: Layers.
        params: The network's parameters, an entry for every layer.
        data: Input and targets.
        words: Words that a free-running decoder is fed (B, S), or None.
        alone: Whether x may have leading axes that no parameter has.

    Raises:
        ValueError: An array is missing, misshapen, of another dtype or out of range.
    """
    if not isinstance(data, Data):
        raise ValueError(f"data: {kind_of(data)} given, expected Data")
    batch, steps = _check_input(network[0], params, data)
    if data.lengths is not None:
        _check_lengths(network, data.lengths, batch, steps)
    if isinstance(network[0], Vectors):
        check_input_is_finite(data.x, data.lengths)
    for k, layer in enumerate(network):
        if isinstance(layer, Readout):
            _check_readout(f"network[{k}].at", layer, data.lengths, steps)
    *shape, width = target_shape(network, batch, steps)
    for layer in network:
        if isinstance(layer, Decoder) and layer.words == "teacher":
            _check_classes(data.targets, (batch, layer.steps), layer.units, None)
    match network[-1]:
        case NegativeLogLikelihood():
            valid = _valid_targets(data, shape)
            _check_classes(data.targets, tuple(shape), width, valid)
        case MeanSquaredError():
            valid = _valid_targets(data, shape)
            dtype = next(iter(named(params, "").values()), data.x).dtype
            _check_numbers(data.targets, (*shape, width), valid, dtype)
    if words is not None:
        _check_words_fed(network, batch, words)
    _check_leading_axes(network, params, data, words, alone=alone)


def _check_words_fed(network: Network, batch: int, words: Array) -> None:
    free = [layer for layer in network if isinstance(layer, Decoder) and layer.words == "free"]
    if not free:
        raise ValueError("words: given, but no decoder runs freely; leave them out")
    _check_classes(words, (batch, free[0].steps), free[0].units, None, "words")


def _check_leading_axes(
    network: Network, params: NetworkParams, data: Data, words: Array | None, *, alone: bool
) -> None:
    """Check that numbers have the leading axes of the parameters, or their own where nothing follows."""
    of, expected = next(iter(leading_axes(network, params).items()), ("params", ()))
    fed = {layer.words for layer in network if isinstance(layer, Decoder)} - {"none"}
    if "free" in fed and expected and words is None:
        raise ValueError(
            f"words: None given, but each slice of the leading axes {expected} of {of} would feed words "
            "of its own; give those for all, or one slice of the parameters"
        )
    if isinstance(network[0], OneHot | Embedding) or not is_plain_array(data.x):
        return
    given = data.x.shape[: -3 if isinstance(network[0], Vectors) else -2]
    if given != expected and (expected or fed or not alone):
        raise ValueError(f"x: leading axes {given} given, expected the {expected} of {of}")


def leading_axes(network: Network, params: NetworkParams) -> dict[str, tuple[int, ...]]:
    """Return the leading axes of every parameter that is a plain array.

    Samples of a stand-in are not leading axes.

    Args:
        network: Layers.
        params: The network's parameters, an entry for every layer.

    Returns:
        The axes by the parameter's name.
    """
    shapes = named(zeros(network), "params")
    return {
        name: value.shape[: value.ndim - shapes[name].ndim]
        for name, value in named(params, "params").items()
        if is_plain_array(value)
    }


def _check_input(layer: Layer, params: NetworkParams, data: Data) -> tuple[int, int]:
    """Check the input, and return B and T (1 for a vector)."""
    x = data.x
    if isinstance(layer, OneHot | Embedding):
        _check_words("x", x, layer.vocabulary)
        if x.ndim != 2 or 0 in x.shape:
            raise ValueError(f"x: shape {x.shape} given, expected words (B, T), both at least 1")
        batch, steps = x.shape
    else:
        assert isinstance(layer, Vectors | Vector)
        sequence = isinstance(layer, Vectors)
        check_float("x", x)
        axes, meaning = (3, "(..., B, T, N)") if sequence else (2, "(..., B, N)")
        if x.ndim < axes or x.shape[-1] != layer.size or 0 in x.shape:
            raise ValueError(
                f"x: shape {x.shape} given, expected {meaning} with N = {layer.size}, no axis of 0"
            )
        if not sequence:
            check_array("x", x, meaning, x.shape[-2:], x)
        batch, steps = x.shape[-3:-1] if sequence else (x.shape[-2], 1)
        first = next(iter(named(params, "").values()), x)
        if first.dtype != x.dtype:
            raise ValueError(f"x: dtype {x.dtype} given, expected that of params, {first.dtype}")
    return batch, steps


def _check_lengths(network: Network, lengths: Array, batch: int, steps: int) -> None:
    """Check lengths, which only a recurrent network stops at."""
    reader = network[1] if len(network) > 1 else "no layer"
    if not isinstance(reader, Recurrent):
        raise ValueError(
            f"lengths: given, but {reader} reads the input, expected a Recurrent; leave them out"
        )
    check_lengths(lengths, batch, steps)


def _check_readout(where: str, layer: Readout, lengths: Array | None, steps: int) -> None:
    if isinstance(layer.at, tuple) and max(layer.at) >= steps:
        raise ValueError(f"{where}: {layer.at} given, expected steps below T = {steps}")
    if layer.at == "last" and lengths is not None and (lengths == 0).any():
        row = int(np.argmin(lengths))
        raise ValueError(f"lengths: 0 at row {row} given, but the readout needs a last valid step")


def _valid_targets(data: Data, shape: list[int]) -> Array:
    """Return the mask of the targets that count, in their shape."""
    ends = data.target_lengths
    if ends is None:
        return np.ones(shape, bool)
    if len(shape) == 1:
        raise ValueError("target_lengths: given, but the output is one vector; leave them out")
    check_lengths(ends, shape[0], shape[1], "target_lengths")
    if not ends.any():
        raise ValueError("target_lengths: all 0 given, expected at least one valid target")
    return np.asarray(np.arange(shape[1]) < ends[:, None])


def _check_classes(
    targets: Any, shape: tuple[int, ...], classes: int, valid: Array | None, name: str = "targets"
) -> None:
    if targets is None:
        raise ValueError(f"{name}: None given, expected classes of shape {shape}")
    if is_plain_array(targets) and targets.shape != shape:
        raise ValueError(f"{name}: shape {targets.shape} given, expected {shape}")
    _check_words(
        name, targets if valid is None or not is_plain_array(targets) else targets[valid], classes
    )


def _check_words(name: str, words: Any, vocabulary: int) -> None:
    if not is_plain_array(words) or words.dtype.kind not in "iu":
        what = f"dtype {words.dtype}" if is_plain_array(words) else kind_of(words)
        raise ValueError(f"{name}: {what} given, expected an array of integers")
    outside = (words < 0) | (words >= vocabulary)
    if outside.any():
        raise ValueError(
            f"{name}: {words[outside][0]} given, expected 0 … {vocabulary - 1} (a vocabulary of "
            f"{vocabulary})"
        )


def _check_numbers(
    targets: Any, shape: tuple[int, ...], valid: Array, dtype: np.dtype[Any]
) -> None:
    if targets is None:
        raise ValueError(f"targets: None given, expected numbers of shape {shape}")
    check_float("targets", targets)
    if targets.shape != shape:
        raise ValueError(f"targets: shape {targets.shape} given, expected {shape}")
    if targets.dtype != dtype:
        raise ValueError(
            f"targets: dtype {targets.dtype} given, expected that of all other numbers, {dtype}"
        )
    if not np.isfinite(targets[valid]).all():
        raise ValueError("targets: NaN or infinity given, expected finite numbers where they count")
