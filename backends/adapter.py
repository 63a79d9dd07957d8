"""What a backend is: what it is given, what it returns, and the calls through which it is reached."""

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
"""How float32 products are made, and what ``Backend.ran`` says of it. ``tf32`` and ``default`` are dtypes of their own
to users and in records; their arrays are float32.

    ieee      as IEEE 754 has them
    tf32      of operands that are rounded to eleven significant bits, wherever the framework knows that
    default   as the framework makes them where nobody tells it how
"""


def kind_of(device: str) -> str:
    """The kind of a device: what stands before its number."""
    return device.partition(":")[0]


def share_memory(device: str, variable: str, value: str) -> None:
    """Make a framework take a GPU's memory as it needs it: the suite's processes share the device."""
    if kind_of(device) == "cuda":
        os.environ.setdefault(variable, value)


def number_of(device: str) -> int:
    """The number of a device among those of its kind."""
    return int(device.partition(":")[2] or 0)


class Typed:
    """What has arrays of a dtype, and a way to multiply them."""

    dtype: str
    precision: str

    @property
    def named_dtype(self) -> str:
        """Both together, as users and records name them."""
        return self.dtype if self.precision == "ieee" else self.precision


class Unsupported(Exception):
    """The framework cannot represent the network; the text is "<option>: <why>"."""


class DeviceNotFound(Exception):
    """The device asked for is not there; the text says what was found."""


@dataclass(frozen=True, kw_only=True)
class Inputs(Typed):
    """Everything that one run of a recurrent network needs, in canonical layout.

    Arrays are float64 and hold values exact in ``dtype``; the adapter casts. Shapes are those of
    ``reference.run``. Where ``incoming`` is given, the gradients are asked for as well: those of
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
    """Parameters that training leaves as they are (``dialects.fixed_parameters``)."""
    precision: str = "ieee"
    """One of ``PRECISIONS``."""


AnyInputs: TypeAlias = Inputs | NetworkInputs | TrainingInputs


class Prepared(NamedTuple):
    """Seconds of this process, as the framework tells them; None where it does not."""

    tracing: float | None = None
    """Python to graph, and to what a compiler reads."""
    compiling: float | None = None


class Result(NamedTuple):
    """What came back: float64 arrays as the dialect declares them, and the dtype that the framework
    itself returned for each, by name.

    ``Inputs``           y, h_n, and c_n of an LSTM; with ``incoming`` also dx, dh0, dc0 and, for
                         every parameter, dparams[layer][direction].W_ih and so on
    ``NetworkInputs``    y, the last layer's output; loss, of shape (); dx where the input is numbers;
                         and dparams[layer].W and so on
    ``TrainingInputs``   loss, one number a step, from before its update; and params[layer].W and so
                         on, from after the last one, but for those that are fixed

    ``backends.named`` makes these names from parameters in canonical layout.
    """

    tensors: dict[str, Array]
    dtypes: dict[str, str]


class Backend(ABC):
    """One way in which one framework runs a recurrent network.

    ``__init__`` opens the device, sets precision explicitly, and raises ``DeviceNotFound`` with
    what was found. An adapter adds nothing to the framework's arithmetic.
    """

    dialect: ClassVar[Dialect]
    packages: ClassVar[tuple[str, ...]]
    """The distributions whose versions name this backend's version."""
    kind: str = "cpu"
    """Of the device that it is open on: cpu or cuda."""
    device_number: int = 0
    """Among the devices of that kind."""

    settings: dict[str, str]
    """What the adapter set, by the framework's own names."""
    framework_defaults: dict[str, str]
    """What the same settings were before."""

    @abstractmethod
    def __init__(self, device: str) -> None:
        self.kind, self.device_number = kind_of(device), number_of(device)

    @abstractmethod
    def load(self, inputs: Inputs) -> Callable[[], Any]:
        """Move ``inputs`` into the framework; the returned call runs the network once and waits.

        Raises ``Unsupported`` where the framework cannot represent the network.
        """

    @abstractmethod
    def fetch(self, inputs: Inputs, raw: Any) -> Result:
        """What such a call returned, as NumPy arrays."""

    def prepared(self) -> Prepared:
        """What making programs has taken so far."""
        return Prepared()

    @abstractmethod
    def ran(self, inputs: AnyInputs) -> str:
        """The framework's own call, as a reader of its documentation would name it."""

    def run(self, inputs: Inputs) -> Result:
        """Load, run once, fetch."""
        return self.fetch(inputs, self.load(inputs)())

    def run_network(self, inputs: NetworkInputs) -> Result:
        """Run a whole network once, forward and back."""
        raise Unsupported("network: this adapter runs bare recurrent networks only")

    def train(self, inputs: TrainingInputs) -> Result:
        """Train for as many steps as there are batches, with the framework's own optimiser."""
        raise Unsupported("training: this adapter runs bare recurrent networks only")

    def products(
        self, W: Array, v: Array, dtype: str, times: int, precision: str = "ieee"
    ) -> Callable[[], Any]:
        """Matrix products alone, for what the framework's own speed allows at most.

        The call makes v ``(rows, N)`` @ W ``(N, M)``, ``times`` times, each with the first N columns
        of the one before as its v, and waits. This one is NumPy's; a framework makes its own.
        """
        held, first = W.astype(dtype), v.astype(dtype)

        def call() -> Array:
            result = first
            for _ in range(times):
                result = result[:, : len(held)] @ held
            return result

        return call

    def on_device(self, call: Callable[[], Any]) -> float | None:
        """Run it once: the seconds that it took by the device's own clock; None where there is none to read."""
        return None

    def refuse(self, inputs: AnyInputs) -> None:
        """Raise ``Unsupported`` where the dialect does not run these inputs on this kind of device."""
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
