"""A backend: the inputs that it gets, the results that it returns, and the methods in between."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeAlias

from backends.dialects import Dialect, fixed_parameters, unsupported, unsupported_training
from backends.options import undeclared_in
from reference import Array, Output, Params, Spec
from reference.networks.layers import Data, Decoder, Network, NetworkParams, Recurrent
from reference.networks.optimisers import Clip, Optimiser

PRECISIONS = {
    "ieee": "",
    "tf32": ", with TF32 in products",
    "default": ", with products as they are unless told",
}
"""Precisions of float32 matmuls, and the words for them in ``Backend.ran``. Users and records name ``tf32`` and
``default`` as dtypes of their own; their arrays are float32.

    ieee      IEEE 754
    tf32      operands are rounded to eleven significant bits, where the framework has that setting
    default   the framework's default
"""


def kind_of(device: str) -> str:
    """Return the kind of a device.

    Args:
        device: A name such as "cpu" or "cuda:1".

    Returns:
        The part before the number.
    """
    return device.partition(":")[0]


def share_memory(device: str, variable: str, value: str) -> None:
    """Make a framework allocate a GPU's memory as it needs it, since processes share the device.

    Args:
        device: The name of the device.
        variable: The framework's environment variable.
        value: Its value; one that the user has set stays.
    """
    if kind_of(device) == "cuda":
        os.environ.setdefault(variable, value)


def number_of(device: str) -> int:
    """Return the number of a device among those of its kind.

    Args:
        device: A name such as "cuda:1".

    Returns:
        The number; 0 where the name has none.
    """
    return int(device.partition(":")[2] or 0)


class Typed:
    """Base class of inputs: dtype and matmul precision."""

    dtype: str
    precision: str

    @property
    def named_dtype(self) -> str:
        """Dtype and precision together, as users and records name them."""
        return self.dtype if self.precision == "ieee" else self.precision


class Unsupported(Exception):
    """The framework cannot run the inputs; the text is "<option>: <why>"."""


class DeviceNotFound(Exception):
    """The device is not there; the text says which ones are."""


@dataclass(frozen=True, kw_only=True)
class Inputs(Typed):
    """Everything that one run of a recurrent network needs, in canonical layout.

    Arrays are float64 and hold values exact in ``dtype``; the adapter casts. Shapes are those of
    ``reference.run``. Where ``incoming`` is given, gradients are wanted too: those of
    Σ incoming · output, by x, by h0 and c0 where given, and by every parameter.
    """

    spec: Spec
    dtype: str
    params: Params
    x: Array
    h0: Array | None = None
    c0: Array | None = None
    lengths: Array | None = None
    incoming: Output | None = None
    precision: str = "ieee"
    """One of ``PRECISIONS``."""


@dataclass(frozen=True, kw_only=True)
class NetworkInputs(Typed):
    """One run of a whole network that ends in a loss, forward and back.

    Arrays are as in ``Inputs``, words are integers.
    """

    network: Network
    dtype: str
    params: NetworkParams
    data: Data
    precision: str = "ieee"
    """One of ``PRECISIONS``."""


@dataclass(frozen=True, kw_only=True)
class TrainingInputs(Typed):
    """A few steps of training: at each, the gradients of one batch change the parameters."""

    network: Network
    dtype: str
    params: NetworkParams
    batches: tuple[Data, ...]
    optimiser: Optimiser
    clip: Clip | None = None
    fixed: tuple[str, ...] = ()
    """Parameters that training does not change (``dialects.fixed_parameters``)."""
    precision: str = "ieee"
    """One of ``PRECISIONS``."""


AnyInputs: TypeAlias = Inputs | NetworkInputs | TrainingInputs


class Prepared(NamedTuple):
    """Seconds that this process spent on making programs; None where the framework does not tell."""

    tracing: float | None = None
    """From Python to a graph, and to the compiler's input."""
    compiling: float | None = None


class Result(NamedTuple):
    """The results of a run: float64 arrays as the dialect declares them, and the dtype that the framework
    itself returned for each, by name.

    ``Inputs``           y, and h_n and c_n for the cell's states; with ``incoming`` also dx, dh0, dc0
                         and, for every parameter, dparams[layer][direction].W_ih and so on
    ``NetworkInputs``    y, the last layer's output; loss, of shape (); dx where the input is numbers;
                         and dparams[layer].W and so on
    ``TrainingInputs``   loss, one number a step, from before its update; and params[layer].W and so
                         on, from after the last one, except those that are fixed

    ``backends.named`` makes these names from parameters in canonical layout.
    """

    tensors: dict[str, Array]
    dtypes: dict[str, str]


class Backend(ABC):
    """One way in which one framework runs a recurrent network.

    ``__init__`` opens the device, sets precision explicitly, and raises ``DeviceNotFound`` with the
    devices that were found. An adapter adds nothing to the framework's arithmetic.

    Args:
        device: The device to run on, such as "cpu" or "cuda:1".
    """

    dialect: ClassVar[Dialect]
    packages: ClassVar[tuple[str, ...]]
    """The distributions whose versions are this backend's version."""
    kind: str = "cpu"
    """Kind of the device that the backend is open on: cpu or cuda."""
    device_number: int = 0
    """Number of the device among those of its kind."""

    settings: dict[str, str]
    """The framework's settings that the adapter made, by the framework's own names."""
    framework_defaults: dict[str, str]
    """The values of the same settings before."""

    @abstractmethod
    def __init__(self, device: str) -> None:
        self.kind, self.device_number = kind_of(device), number_of(device)

    @abstractmethod
    def load(self, inputs: Inputs) -> Callable[[], Any]:
        """Move the inputs into the framework.

        Args:
            inputs: What is to be run.

        Returns:
            A function that runs the network once, waits, and returns the framework's own results.

        Raises:
            Unsupported: The framework cannot represent the network.
        """

    @abstractmethod
    def fetch(self, inputs: Inputs, raw: Any) -> Result:
        """Return the framework's results as NumPy arrays.

        Args:
            inputs: The inputs that were run.
            raw: The framework's own results.

        Returns:
            Arrays by name.
        """

    def prepared(self) -> Prepared:
        """Return the time that making programs has taken so far.

        Returns:
            Seconds of tracing and of compiling.
        """
        return Prepared()

    @abstractmethod
    def ran(self, inputs: AnyInputs) -> str:
        """Return the framework's own call, as a reader of its documentation would name it.

        Args:
            inputs: What is to be run.

        Returns:
            The call, in words.
        """

    def run(self, inputs: Inputs) -> Result:
        """Load, run once, fetch.

        Args:
            inputs: What is to be run.

        Returns:
            Arrays by name.
        """
        return self.fetch(inputs, self.load(inputs)())

    def run_network(self, inputs: NetworkInputs) -> Result:
        """Run a whole network once, forward and back.

        Args:
            inputs: What is to be run.

        Returns:
            Arrays by name.

        Raises:
            Unsupported: The adapter runs bare recurrent networks only.
        """
        raise Unsupported("network: this adapter runs bare recurrent networks only")

    def train(self, inputs: TrainingInputs) -> Result:
        """Train for as many steps as there are batches, with the framework's own optimiser.

        Args:
            inputs: What is to be run.

        Returns:
            Losses and trained parameters by name.

        Raises:
            Unsupported: The adapter runs bare recurrent networks only.
        """
        raise Unsupported("training: this adapter runs bare recurrent networks only")

    def products(
        self, W: Array, v: Array, dtype: str, times: int, precision: str = "ieee"
    ) -> Callable[[], Any]:
        """Return a function that runs matmuls alone, to measure the framework's own limit of speed.

        It multiplies v by W ``times`` times, each time with the first N columns of the result before as v,
        and waits. This method uses NumPy; a framework overrides it.

        Args:
            W: A matrix (N, M).
            v: Rows (rows, N).
            dtype: The dtype of the matmuls.
            times: The number of matmuls.
            precision: One of ``PRECISIONS``.

        Returns:
            The function.
        """
        held, first = W.astype(dtype), v.astype(dtype)

        def call() -> Array:
            result = first
            for _ in range(times):
                result = result[:, : len(held)] @ held
            return result

        return call

    def on_device(self, call: Callable[[], Any]) -> float | None:
        """Run a function once and time it by the device's own clock.

        Args:
            call: The function, which may return before the device is done.

        Returns:
            Seconds, or None where the device has no clock to read.
        """
        return None

    def refuse(self, inputs: AnyInputs) -> None:
        """Raise ``Unsupported`` where the dialect does not run the inputs on this kind of device.

        Args:
            inputs: What is to be run.

        Raises:
            Unsupported: It does not.
        """
        if why := refusal(self.dialect, inputs, self.kind):
            raise Unsupported(why)


def refusal(dialect: Dialect, inputs: AnyInputs, kind: str = "cpu") -> str | None:
    """Return why a backend of a dialect cannot run these inputs.

    The declaration alone decides, so no framework need be installed. What the dialect does not
    declare is refused: options of specs, layers, optimisers and the inputs themselves.

    Args:
        dialect: The backend's declaration.
        inputs: What is to be run.
        kind: The kind of device.

    Returns:
        "<option>: <why>", or None if it can.
    """
    for holder in _holders(inputs):
        if why := undeclared_in(dialect.options, holder):
            return why
    for spec, lengths in _recurrent(inputs):
        ends = None if lengths is None else tuple(int(n) for n in lengths)
        if why := unsupported(dialect, spec, inputs.named_dtype, ends, kind):
            return why
    if not isinstance(inputs, TrainingInputs):
        return None
    if why := unsupported_training(dialect, inputs.optimiser, inputs.clip):
        return why
    fixed = fixed_parameters(dialect, inputs.network, inputs.params)
    if set(inputs.fixed) != set(fixed):
        return f"fixed: it trains all but {fixed}, not all but {inputs.fixed}"
    return None


def _holders(inputs: AnyInputs) -> Iterator[Any]:
    """Yield the inputs, their data and their layers, whose options a dialect declares."""
    yield inputs
    if isinstance(inputs, Inputs):
        return
    yield from inputs.batches if isinstance(inputs, TrainingInputs) else (inputs.data,)
    yield from inputs.network


def _recurrent(inputs: AnyInputs) -> Iterator[tuple[Spec, Array | None]]:
    """Yield every recurrent network, with the lengths that it is given."""
    if isinstance(inputs, Inputs):
        yield inputs.spec, inputs.lengths
        return
    batches = inputs.batches if isinstance(inputs, TrainingInputs) else (inputs.data,)
    for layer in inputs.network:
        if isinstance(layer, Recurrent):
            yield from ((layer.spec, data.lengths) for data in batches)
        elif isinstance(layer, Decoder):  # its rows all have all steps
            yield layer.spec, None
