"""Dialects: how each framework differs from the canonical specification, as data.

An adapter reads its dialect to convert weights and states, and its raw results are held to what
the dialect declares; so a wrong declaration makes a case differ.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np

from backends.options import ANY, COMMON, Options, undeclared, undeclared_in
from reference import GATES, Array, Spec
from reference.networks.layers import Decoder, Network, NetworkParams, Recurrent
from reference.networks.optimisers import Adam, Clip, Optimiser
from reference.trees import named


@dataclass(frozen=True, kw_only=True)
class CellDialect:
    """The layout of one cell's parameters in a framework, and the options that the cell runs."""

    blocks: tuple[str, ...]
    """The gates of each weight matrix, in order: ("ifgo",) is one matrix of four blocks."""
    joined: bool
    """One matrix for [x, h], instead of an input kernel and a recurrent kernel."""
    transposed: bool
    """Kernels are (in, out), instead of (out, in)."""
    biases: Literal[1, 2]
    """One bias per block, or one on the input side and one on the recurrent side."""
    bias_optional: bool
    """The cell can do without biases; where it cannot, zeros stand for none."""
    forget_bias: Literal["run time", "stored", ""]
    """The cell adds the forget bias itself, or it is stored in the bias; empty where there is none."""
    options: Options
    """The values of the cell's own options that it runs, by field of the spec."""
    update: Literal["keeps", "takes", ""] = ""
    """The effect of z = 1 in a GRU: it keeps the old state, or takes the candidate."""
    apart: str = ""
    """Gates that have a second bias on the recurrent side, though the blocks have one bias."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """A framework's way of running recurrent networks."""

    cells: Mapping[str, CellDialect]
    directions: tuple[str, ...]
    options: Mapping[str, Options]
    """The values of all other options that it runs, by class and field."""
    state: Literal["hc", "ch"]
    """Order of an LSTM's state."""
    padded_outputs: Literal["zero", "previous"]
    """Outputs past a row's length: 0, or the last valid one."""
    reverse_outputs: Literal["input order", "processing order"]
    zero_length: Literal["runs", "left out", "refused"]
    """Rows of length 0: the framework runs them, the adapter leaves them out of the batch, or they are refused."""
    arithmetic: Mapping[str, Mapping[str, str]]
    """The arithmetic (reference/rounding/) of each dtype on each kind of device."""
    adam_epsilon: Literal["outside", "inside"] = "outside"
    """The place where its Adam adds ε (reference/networks/optimisers.py)."""
    clip_epsilon: float = 0.0
    """The number that its clipping by global norm adds to the norm."""

    def __post_init__(self) -> None:
        if strange := self.arithmetic.keys() - set(KINDS):
            raise ValueError(f"arithmetic: {sorted(strange)} given, expected kinds of devices, which are "
                             f"{', '.join(KINDS)}, and of each its dtypes")  # fmt: skip

    def only(
        self,
        *,
        cells: Collection[str] | None = None,
        directions: Collection[str] | None = None,
        dtypes: Collection[str] | None = None,
        reset: Collection[str] | None = None,
        activation: Collection[str] | None = None,
        forget_bias: Collection[float] | None = None,
        bias: Collection[bool] | None = None,
        batch_first: Collection[bool] | None = None,
        num_layers: Collection[int] | None = None,
        input_size: Collection[int] | None = None,
        hidden_size: Collection[int] | None = None,
    ) -> Dialect:
        """Return this dialect with fewer cells, directions, dtypes or options; all others are unsupported.

        The last eight arguments are fields of ``Spec``.

        Args:
            cells: The cells that run; None keeps all.
            directions: The directions that run; None keeps all.
            dtypes: The dtypes that run, on every kind of device; None keeps all.
            reset: The resets of GRUs that run; None keeps all.
            activation: The activations of vanilla cells that run; None keeps all.
            forget_bias: The forget biases of LSTMs that run; None keeps all.
            bias: True for networks with biases, False for those without; None keeps both.
            batch_first: True for batch-major arrays, False for time-major ones; None keeps both.
            num_layers: The numbers of layers that run, such as ``[1]``; None keeps all.
            input_size: The input sizes that run, such as ``range(1, 9)``; None keeps all.
            hidden_size: The hidden sizes that run; None keeps all.

        Returns:
            The narrower dialect.

        Raises:
            ValueError: A value that this dialect does not have, or an option of none of the cells.
        """
        of_cells = {"reset": reset, "activation": activation, "forget_bias": forget_bias}
        of_all = {"bias": bias, "batch_first": batch_first, "num_layers": num_layers,
                  "input_size": input_size, "hidden_size": hidden_size}  # fmt: skip
        kept = {cell: self.cells[cell] for cell in _subset("cells", cells, self.cells)}
        for name, values in of_cells.items():
            if values is not None and not any(name in cell.options for cell in kept.values()):
                raise ValueError(f"{name}: {values!r} given, but none of the cells {', '.join(kept)} has this option; "
                                 "leave it out")  # fmt: skip
        known_dtypes = {dtype: 0 for row in self.arithmetic.values() for dtype in row}
        return replace(
            self,
            cells={
                name: replace(cell, options=_narrowed(cell.options, of_cells))
                for name, cell in kept.items()
            },
            options={**self.options, "Spec": _narrowed(self.options["Spec"], of_all)},
            directions=_subset("directions", directions, self.directions),
            arithmetic={
                kind: {d: row[d] for d in _subset("dtypes", dtypes, known_dtypes) if d in row}
                for kind, row in self.arithmetic.items()
            },
        )

    def state_order(self, spec: Spec) -> str:
        """Return the parts of a cell's state in the framework's order.

        Args:
            spec: The network.

        Returns:
            A letter for each part, such as "ch".

        """
        return "".join(part for part in self.state if part in spec.states)

    def held_to(self, dtype: str, kind: str) -> str:
        """Return the arithmetic with which results are compared.

        Args:
            dtype: The dtype, as users name it.
            kind: The kind of device.

        Returns:
            The arithmetic's name; empty where the dtype does not run on that kind.
        """
        return self.arithmetic.get(kind, {}).get(dtype, "")


def _narrowed(options: Options, given: Mapping[str, Collection[Any] | None]) -> Options:
    """Return the options with fewer values of those that are given."""
    return {name: values if given.get(name) is None else _values(name, given[name], values)
            for name, values in options.items()}  # fmt: skip


def _values(name: str, given: Any, declared: Container[Any]) -> tuple[Any, ...]:
    """Return the given values of an option, or raise ``ValueError`` if the dialect lacks one of them."""
    values = () if isinstance(given, str) or not isinstance(given, Collection) else tuple(given)
    kinds = SPEC_TYPES[name]
    if values and all(type(v) in kinds and v in declared for v in values):
        return values
    expected = (f"values of type {kinds[-1].__name__}" if declared is ANY
                else f"some of {', '.join(map(repr, cast('tuple[Any, ...]', declared)))}")  # fmt: skip
    raise ValueError(f"{name}: {given!r} given, expected a list of {expected}")


def _subset(what: str, given: Collection[str] | None, known: Collection[str]) -> tuple[str, ...]:
    """Return the given names in the order of the known ones, or raise ``ValueError``."""
    if given is None:
        return tuple(known)
    if isinstance(given, str) or not given or not set(given) <= set(known):
        raise ValueError(f"{what}: {given!r} given, expected a list of some of {', '.join(known)}")
    return tuple(name for name in known if name in given)


SPEC_TYPES: Mapping[str, tuple[type, ...]] = {
    "reset": (str,), "activation": (str,), "forget_bias": (int, float), "bias": (bool,),
    "batch_first": (bool,), "num_layers": (int,), "input_size": (int,), "hidden_size": (int,),
}  # fmt: skip
"""The types of every option of ``Spec`` that ``Dialect.only`` narrows."""

NARROWING: Mapping[str, str] = {
    "cell": "cells", "direction": "directions", "dtype": "dtypes", **{name: name for name in SPEC_TYPES},
}  # fmt: skip
"""The argument of ``Dialect.only`` that narrows an option, as ``Unsupported`` names it."""

KINDS = ("cpu", "cuda")
"""The kinds of devices."""

_TYPES = {d: d for d in ("float64", "float32", "float16", "bfloat16")}


def _plain(default: str = "tf32", **on_cpu: str) -> dict[str, dict[str, str]]:
    """Return every dtype with its own arithmetic.

    Args:
        default: The arithmetic of float32 on CUDA with the framework's default precision.
        **on_cpu: The arithmetics that differ on a CPU, which has no TF32.
    """
    return {
        "cpu": _TYPES | {"default": "float32"} | on_cpu,
        "cuda": _TYPES | {"tf32": "tf32", "default": default},
    }


_ACTIVATION: Options = {"activation": ("tanh", "relu")}
_FORGET_BIAS: Options = {"forget_bias": ANY}
CELL_OPTIONS: Mapping[str, Options] = {
    "vanilla": _ACTIVATION, "gru": {"reset": ("after", "before")}, "lstm": _FORGET_BIAS,
}  # fmt: skip
"""The options of the specification's cells."""

SPECIFICATION = Dialect(
    cells={
        cell: CellDialect(
            blocks=("".join(gates),), joined=False, transposed=False, biases=2, bias_optional=True,
            forget_bias="run time" if "f" in gates else "", options=CELL_OPTIONS[cell],
            update="keeps" if "z" in gates else "",
        )
        for cell, gates in GATES.items()
    },
    directions=("forward", "reverse", "bidirectional"), options=COMMON,
    state="hc", padded_outputs="zero", reverse_outputs="input order",
    zero_length="runs", arithmetic={"cpu": _TYPES},
)  # fmt: skip

TENSORFLOW_LEGACY = Dialect(
    cells={
        "vanilla": CellDialect(
            blocks=("h",), joined=True, transposed=True, biases=1, bias_optional=False,
            forget_bias="", options=_ACTIVATION,
        ),
        "gru": CellDialect(
            blocks=("rz", "n"), joined=True, transposed=True, biases=1, bias_optional=False,
            forget_bias="", options={"reset": ("before",)}, update="keeps",
        ),
        "lstm": CellDialect(
            blocks=("igfo",), joined=True, transposed=True, biases=1, bias_optional=False,
            forget_bias="run time", options=_FORGET_BIAS,
        ),
    },
    directions=("forward", "bidirectional"), options=COMMON,
    state="ch", padded_outputs="zero", reverse_outputs="input order",
    zero_length="runs", adam_epsilon="inside",
    arithmetic=_plain(bfloat16="bfloat16-summed"),  # BiasAddGrad on a CPU
)  # fmt: skip

TENSORFLOW_XLA = replace(TENSORFLOW_LEGACY, arithmetic=_plain())

TENSORFLOW_UNROLLED = Dialect(
    cells={
        "vanilla": CellDialect(
            blocks=("h",), joined=False, transposed=True, biases=1, bias_optional=True,
            forget_bias="", options=_ACTIVATION,
        ),
        "gru": CellDialect(
            blocks=("rzn",), joined=False, transposed=True, biases=2, bias_optional=True,
            forget_bias="", options={"reset": ("after", "before")}, update="keeps",
        ),
        "lstm": CellDialect(
            blocks=("ifgo",), joined=False, transposed=True, biases=1, bias_optional=True,
            forget_bias="run time", options=_FORGET_BIAS,
        ),
    },
    directions=("forward", "reverse", "bidirectional"), options=COMMON,
    state="hc", padded_outputs="zero", reverse_outputs="input order",
    zero_length="runs", adam_epsilon="inside",
    arithmetic=_plain(float16="float16-summed"),  # the gradient of a broadcast sum on a CPU
)  # fmt: skip

TENSORFLOW_WHILE = replace(TENSORFLOW_UNROLLED, arithmetic=_plain())

PYTORCH = Dialect(
    cells={
        "vanilla": CellDialect(
            blocks=("h",), joined=False, transposed=False, biases=2, bias_optional=True,
            forget_bias="", options=_ACTIVATION,
        ),
        "gru": CellDialect(
            blocks=("rzn",), joined=False, transposed=False, biases=2, bias_optional=True,
            forget_bias="", options={"reset": ("after",)}, update="keeps",
        ),
        "lstm": CellDialect(
            blocks=("ifgo",), joined=False, transposed=False, biases=2, bias_optional=True,
            forget_bias="stored", options=_FORGET_BIAS,
        ),
    },
    directions=("forward", "bidirectional"), options=COMMON,
    state="hc", padded_outputs="zero", reverse_outputs="input order",
    zero_length="left out", arithmetic=_plain(), clip_epsilon=1e-6,
)  # fmt: skip

PYTORCH_CELLS = replace(
    PYTORCH,
    directions=("forward", "reverse", "bidirectional"),
    zero_length="runs",
    arithmetic=_plain(default="float32"),  # only cuDNN's may use TF32 untold
)

JAX = Dialect(
    cells={
        "vanilla": CellDialect(
            blocks=("h",), joined=False, transposed=True, biases=1, bias_optional=True,
            forget_bias="", options=_ACTIVATION,
        ),
        "gru": CellDialect(
            blocks=("rzn",), joined=False, transposed=True, biases=2, bias_optional=True,
            forget_bias="", options={"reset": ("after", "before")}, update="keeps",
        ),
        "lstm": CellDialect(
            blocks=("ifgo",), joined=False, transposed=True, biases=1, bias_optional=True,
            forget_bias="stored", options=_FORGET_BIAS,
        ),
    },
    directions=("forward", "reverse", "bidirectional"), options=COMMON,
    state="hc", padded_outputs="zero", reverse_outputs="input order",
    zero_length="runs", arithmetic=_plain(),
)  # fmt: skip

JAX_VJP = replace(
    JAX, cells={name: replace(cell, transposed=False) for name, cell in JAX.cells.items()}
)


PYTORCH_NATIVE = replace(PYTORCH, arithmetic=_plain(default="float32"))

_CUDNN_OPTIONS: Mapping[str, Options] = {
    "vanilla": _ACTIVATION, "gru": {"reset": ("after",)}, "lstm": _FORGET_BIAS,
}  # fmt: skip
_CUDNN = {
    name: replace(PYTORCH.cells[name], bias_optional=False, options=options)
    for name, options in _CUDNN_OPTIONS.items()
}

JAX_CUDNN = Dialect(
    cells={"lstm": _CUDNN["lstm"]},
    directions=("forward", "bidirectional"), options=COMMON,
    state="hc", padded_outputs="zero", reverse_outputs="input order", zero_length="refused",
    arithmetic={"cuda": {"float32": "float32", "tf32": "tf32", "default": "tf32"}},
)  # fmt: skip

TENSORFLOW_CUDNN = replace(
    JAX_CUDNN,
    cells=_CUDNN,
    options=COMMON,
    arithmetic={"cuda": _plain()["cuda"]},
    adam_epsilon="inside",
)


ONNX: dict[str, CellDialect] = {
    "vanilla": replace(PYTORCH.cells["vanilla"], options=_ACTIVATION),
    "gru": replace(PYTORCH.cells["gru"], blocks=("zrn",), options={"reset": ("after", "before")}),
    "lstm": replace(PYTORCH.cells["lstm"], blocks=("iofg",), options=_FORGET_BIAS),
}
"""The layout of ONNX's nodes."""

KERAS: dict[str, CellDialect] = {
    "vanilla": replace(JAX.cells["vanilla"], options=_ACTIVATION),
    "gru": replace(JAX.cells["gru"], blocks=("zrn",), options={"reset": ("after",)}),
    "gru-before": replace(
        JAX.cells["gru"], blocks=("zrn",), biases=1, options={"reset": ("before",)}
    ),
    "lstm": replace(JAX.cells["lstm"], options=_FORGET_BIAS),
}
"""The layout of Keras's layers."""

FLAX: dict[str, CellDialect] = {
    "vanilla": replace(JAX.cells["vanilla"], bias_optional=False, options=_ACTIVATION),
    "gru": CellDialect(
        blocks=("r", "z", "n"), joined=False, transposed=True, biases=1, bias_optional=False,
        forget_bias="", options={"reset": ("after",)}, update="keeps", apart="n",
    ),
    "lstm": CellDialect(
        blocks=("i", "f", "g", "o"), joined=False, transposed=True, biases=1, bias_optional=False,
        forget_bias="stored", options=_FORGET_BIAS,
    ),
}  # fmt: skip
"""The layout of Flax's cells: a matrix for every gate."""

EQUINOX: dict[str, CellDialect] = {
    "gru": replace(PYTORCH.cells["gru"], biases=1, apart="n", options={"reset": ("after",)}),
    "lstm": replace(PYTORCH.cells["lstm"], biases=1, options=_FORGET_BIAS),
}
"""The layout of Equinox's cells; it has no vanilla one."""


def unsupported(
    dialect: Dialect, spec: Spec, dtype: str, lengths: tuple[int, ...] | None, kind: str = "cpu"
) -> str | None:
    """Return why a framework of a dialect cannot run a recurrent network.

    The declaration alone decides, so no framework need be installed.

    Args:
        dialect: The framework's declaration.
        spec: The network.
        dtype: The dtype, as users name it.
        lengths: The valid steps of every row (B,), or None where all are.
        kind: The kind of device.

    Returns:
        "<option>: <why>", or None if it can.
    """
    options = {**dialect.options["Spec"], "direction": dialect.directions}
    if why := unrepresentable(dialect.cells, options, spec):
        return why
    if not dialect.held_to(dtype, kind):
        able = ", ".join(dialect.arithmetic.get(kind, {})) or "nothing"
        return f"dtype: on {kind} it runs {able}, not {dtype}"
    if lengths is not None and not all(lengths) and dialect.zero_length == "refused":
        return "lengths: it refuses rows of length 0"
    if lengths is not None and not any(lengths) and dialect.zero_length == "left out":
        return "lengths: it refuses rows of length 0, and every row has length 0"
    return None


def unrepresentable(cells: Mapping[str, CellDialect], options: Options, spec: Spec) -> str | None:
    """Return why no weights of these cells are a network.

    Args:
        cells: The layouts of the cells that there are.
        options: The values that are declared of the options of all cells.
        spec: The network.

    Returns:
        "<option>: <why>", or None if some weights are.
    """
    cell = cell_of(cells, spec)
    if cell is None:
        return f"cell: it has no {spec.cell} cell"
    return undeclared({"cell": ANY, **options, **cell.options}, spec)


def cell_of(cells: Mapping[str, CellDialect], spec: Spec) -> CellDialect | None:
    """Return the layout of a spec's cell.

    Args:
        cells: Layouts by cell; a GRU with another layout for one reset is "gru-before" or "gru-after".
        spec: The network.

    Returns:
        The layout, or None where there is no such cell.
    """
    return cells.get(f"{spec.cell}-{spec.reset}", cells.get(spec.cell))


def unsupported_training(dialect: Dialect, optimiser: Optimiser, clip: Clip | None) -> str | None:
    """Return why a framework of a dialect cannot train so.

    Args:
        dialect: The framework's declaration.
        optimiser: The optimiser.
        clip: The clipping of gradients, or None.

    Returns:
        "<option>: <why>", or None if it can.
    """
    for rule in (optimiser, clip):
        if rule is not None and (why := undeclared_in(dialect.options, rule)):
            return why
    if isinstance(optimiser, Adam) and optimiser.placement != dialect.adam_epsilon:
        return f"placement: its Adam adds ε {dialect.adam_epsilon}, not {optimiser.placement}"
    if clip and clip.epsilon != dialect.clip_epsilon:
        return f"epsilon: its clipping adds {dialect.clip_epsilon} to the norm, not {clip.epsilon}"
    return None


def fixed_parameters(dialect: Dialect, network: Network, params: NetworkParams) -> tuple[str, ...]:
    """Return the parameters that training leaves alone: b_hh of a cell with one bias for b_ih + b_hh.

    So that bias moves once a step, and not twice.

    Args:
        dialect: The framework's declaration.
        network: The network.
        params: Its parameters.

    Returns:
        Names such as ``params[1][0][0].b_hh``.
    """
    one_bias = {cell for cell, its in dialect.cells.items() if its.biases == 1}
    return tuple(
        name
        for k, layer in enumerate(network)
        if isinstance(layer, Recurrent | Decoder) and layer.spec.cell in one_bias
        for name in named(params[k], f"params[{k}]")
        if name.endswith(".b_hh")
    )


def as_declared(dialect: Dialect, spec: Spec, lengths: Array | None, y: Array) -> Array:
    """Move canonical outputs, or their radius, to where a dialect declares them.

    Args:
        dialect: The framework's declaration.
        spec: The network.
        lengths: Valid steps of every row (B,), or None for all.
        y: Outputs, laid out as the spec says.

    Returns:
        An array of the same shape.
    """
    y = y if spec.batch_first else np.swapaxes(y, 0, 1)
    batch, steps, _ = y.shape
    ends = np.full(batch, steps) if lengths is None else lengths
    y = y.copy()
    for row, end in enumerate(ends):
        if dialect.reverse_outputs == "processing order" and spec.direction != "forward":
            width = slice(spec.state_size("h") if spec.direction == "bidirectional" else 0, None)
            y[row, :end, width] = y[row, :end, width][::-1].copy()
        if dialect.padded_outputs == "previous" and end:
            y[row, end:] = y[row, end - 1]
    return y if spec.batch_first else np.swapaxes(y, 0, 1)
