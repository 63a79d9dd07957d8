"""The boundary of the specification: every bad argument is refused before any work starts."""

from __future__ import annotations

from typing import Any

import numpy as np

from reference.parameters import Params, Weights, weight_shapes
from reference.spec import Array, Spec


def check_arguments(
    spec: Spec,
    params: Params,
    x: Array,
    *,
    h0: Array | None,
    c0: Array | None,
    lengths: Array | None,
) -> None:
    """Check the arguments of ``run``.

    Args:
        spec: The network.
        params: Its weights.
        x: Its input.
        h0: Initial h, or None.
        c0: Initial c, or None.
        lengths: Valid steps of every row, or None.

    Raises:
        ValueError: The first argument that does not fit the spec.
    """
    if not isinstance(spec, Spec):
        raise ValueError(f"spec: {kind_of(spec)} given, expected a Spec")
    if type(spec) is not Spec:
        raise ValueError(
            f"spec: a subclass {kind_of(spec)} given, expected a plain Spec, since the equations "
            "know no further options"
        )
    layout = "(..., B, T, I)" if spec.batch_first else "(..., T, B, I)"
    check_float("x", x)
    if x.ndim < 3 or x.shape[-1] != spec.input_size:
        raise ValueError(
            f"x: shape {x.shape} given, expected {layout} with I = input_size = {spec.input_size}"
        )
    batch, steps = x.shape[-3:-1] if spec.batch_first else (x.shape[-2], x.shape[-3])
    if 0 in x.shape:
        raise ValueError(f"x: shape {x.shape} given, expected {layout} with no axis of 0")
    check_params(spec, params, x)

    for name, state in (("h0", h0), ("c0", c0)):
        if state is None:
            continue
        part = name.removesuffix("0")
        if part not in spec.states:
            raise ValueError(
                f"{name}: given, but a {spec.cell} cell has no state {part}; leave it out"
            )
        check_array(name, state, "(..., L·D, B, H)", spec.state_shape(part, batch), x)

    if lengths is not None:
        check_lengths(lengths, batch, steps)
    check_input_is_finite(x, lengths, batch_first=spec.batch_first)
    _check_leading_axes(spec, params, x, h0=h0, c0=c0)


def check_incoming(output: Any, incoming: Any) -> None:
    """Check the gradients by an output.

    Args:
        output: The output.
        incoming: What is given as its gradients.

    Raises:
        ValueError: A part of the output has no finite gradient of its shape.
    """
    if type(incoming) is not type(output):
        raise ValueError(
            f"incoming: {kind_of(incoming)} given, expected {kind_of(output)} of gradients"
        )
    for name, value, d in zip(output._fields, output, incoming, strict=True):
        where = f"incoming.{name}"
        if (value is None) != (d is None):
            given, expected = ("None", "one") if d is None else ("a gradient", "None")
            raise ValueError(f"{where}: {given} given, expected {expected}, as in the output")
        if value is None:
            continue
        check_array(where, d, "that of the output", value.shape[-3:], value)
        if is_plain_array(value) and d.shape != value.shape:
            raise ValueError(
                f"{where}: shape {d.shape} given, expected {value.shape}, the output's"
            )


def check_params(spec: Spec, params: Params, x: Array) -> None:
    """Check that there is one ``Weights`` for every layer and direction, of the right shapes.

    Args:
        spec: The network.
        params: What is given as its weights.
        x: Its input, whose dtype all weights must have.

    Raises:
        ValueError: Weights are missing, misshapen, not finite or of another dtype.
    """
    if not _is_plain_tuple(params):
        raise ValueError(
            f"params: {kind_of(params)} given, expected a tuple with one tuple for every layer"
        )
    if len(params) != spec.num_layers:
        raise ValueError(
            f"params: {len(params)} layers given, expected num_layers = {spec.num_layers}"
        )
    for layer, by_direction in enumerate(params):
        if not _is_plain_tuple(by_direction):
            raise ValueError(
                f"params[{layer}]: {kind_of(by_direction)} given, expected a tuple with one Weights "
                "for every direction"
            )
        if len(by_direction) != spec.num_directions:
            raise ValueError(
                f"params[{layer}]: {len(by_direction)} directions given, expected "
                f"{spec.num_directions} for direction = {spec.direction!r}"
            )
        for direction, weights in enumerate(by_direction):
            if not isinstance(weights, Weights):
                raise ValueError(
                    f"params[{layer}][{direction}]: {kind_of(weights)} given, expected Weights"
                )
            for name, shape in weight_shapes(spec, layer).items():
                where = f"params[{layer}][{direction}].{name}"
                _check_weight(where, getattr(weights, name), shape, x)


def _check_weight(where: str, value: Array | None, shape: tuple[int, ...] | None, x: Array) -> None:
    """Check one parameter; ``shape`` is None where it must be None."""
    if shape is None:
        if value is not None:
            raise ValueError(f"{where}: given, expected None because bias is False")
        return
    if value is None:
        raise ValueError(f"{where}: None given, expected shape {shape}")
    meaning = "(..., G·H)" if len(shape) == 1 else "(..., G·H, I or H)"
    check_array(where, value, meaning, shape, x)


def check_array(
    where: str,
    value: Array,
    meaning: str,
    shape: tuple[int, ...],
    like: Array,
    of: str = "x",
) -> None:
    """Check an array: its shape up to leading axes, its dtype, and that it is finite.

    Args:
        where: The array's name, for the message.
        value: The array.
        meaning: The wanted shape in letters, for the message.
        shape: The wanted last axes.
        like: An array of the wanted dtype.
        of: The name of that array.

    Raises:
        ValueError: The array is another, or holds NaN or infinity.
    """
    check_float(where, value)
    if value.shape[-len(shape) :] != shape:
        raise ValueError(
            f"{where}: shape {value.shape} given, expected {meaning} with the last axes {shape}"
        )
    if value.dtype != like.dtype:
        raise ValueError(
            f"{where}: dtype {value.dtype} given, expected that of {of}, {like.dtype}; cast one of them"
        )
    finite = np.isfinite(value)
    if not finite.all():
        index = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(f"{where}: {value[index]} at {index} given, expected finite numbers")


def check_float(where: str, value: Array) -> None:
    """Check that a value is a plain array of floats, or a type that stands in for one.

    Args:
        where: The value's name, for the message.
        value: The value; ``reference/rounding/`` has types that stand in.

    Raises:
        ValueError: It is not.
    """
    stands_in = isinstance(value, np.lib.mixins.NDArrayOperatorsMixin)
    if not (stands_in or is_plain_array(value)):
        raise ValueError(f"{where}: {kind_of(value)} given, expected a plain NumPy array")
    if not np.issubdtype(value.dtype, np.floating):
        raise ValueError(f"{where}: dtype {value.dtype} given, expected a floating-point one")


def check_lengths(lengths: Array, batch: int, steps: int, name: str = "lengths") -> None:
    """Check the lengths of a batch.

    Args:
        lengths: What is given as lengths.
        batch: B.
        steps: T.
        name: The array's name, for the message.

    Raises:
        ValueError: They are not B integers in 0 … T.
    """
    if not is_plain_array(lengths):
        raise ValueError(f"{name}: {kind_of(lengths)} given, expected a plain NumPy array")
    if lengths.dtype.kind not in "iu":
        raise ValueError(f"{name}: dtype {lengths.dtype} given, expected integers")
    if lengths.shape != (batch,):
        raise ValueError(f"{name}: shape {lengths.shape} given, expected (B,) = ({batch},)")
    outside = (lengths < 0) | (lengths > steps)
    if outside.any():
        row = int(np.argmax(outside))
        raise ValueError(f"{name}: {lengths[row]} at row {row} given, expected 0 … T = {steps}")


def check_input_is_finite(x: Array, lengths: Array | None, *, batch_first: bool = True) -> None:
    """Check that NaN and infinity stand nowhere but in the padding, which is never read.

    Args:
        x: Input.
        lengths: Valid steps of every row (B,), or None for all.
        batch_first: Whether the batch axis of x is before the time axis.

    Raises:
        ValueError: A number inside a row's length is not finite.
    """
    finite = np.isfinite(x)
    if finite.all():
        return
    bad = ~finite
    if lengths is not None:
        steps = x.shape[-2] if batch_first else x.shape[-3]
        valid = (np.arange(steps) < lengths[:, None])[..., None]  # (B, T, 1)
        bad &= valid if batch_first else np.swapaxes(valid, 0, 1)
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"x: {x[index]} at {index} given, inside the row's length; expected finite numbers"
        )


def _check_leading_axes(
    spec: Spec, params: Params, x: Array, *, h0: Array | None, c0: Array | None
) -> None:
    """Check that every array has the leading axes of x, up to broadcasting, or none."""
    largest = x.shape[:-3]
    arrays = {"h0": (h0, 3), "c0": (c0, 3)}
    for layer, by_direction in enumerate(params):
        for direction, weights in enumerate(by_direction):
            for name, shape in weight_shapes(spec, layer).items():
                where = f"params[{layer}][{direction}].{name}"
                arrays[where] = getattr(weights, name), len(shape or ())
    for where, (value, axes) in arrays.items():
        if value is None or not (leading := value.shape[:-axes]):
            continue
        try:
            both = np.broadcast_shapes(largest, leading)
        except ValueError:
            raise ValueError(
                f"{where}: leading axes {leading} given, expected the {largest} of x, or none"
            ) from None
        if both != largest and is_plain_array(x):  # samples of a RoundingArray align by themselves
            raise ValueError(
                f"{where}: leading axes {leading} given, but x has {largest}; x carries all leading "
                "axes: broadcast it"
            )


def _is_plain_tuple(value: object) -> bool:
    """Return whether a value is a tuple, but not ``Weights``, which is one too."""
    return isinstance(value, tuple) and not isinstance(value, Weights)


def is_plain_array(value: object) -> bool:
    """Return whether a value is an ordinary array.

    A masked array's mask would be ignored, and a matrix's ``*`` is ``@``.

    Args:
        value: Anything.

    Returns:
        True for an array that is neither.
    """
    return isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray | np.matrix)


def kind_of(value: object) -> str:
    """Return the name of a value's type.

    Args:
        value: Anything.

    Returns:
        The name.
    """
    return type(value).__name__
