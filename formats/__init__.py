"""Files that hold a recurrent network, one kind in each module; the list of them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from backends import BACKENDS
from backends.adapter import Inputs, Result
from backends.dialects import EQUINOX, FLAX, KERAS, ONNX, SPECIFICATION
from backends.dtypes import PRECISION
from formats.assemble import Format, LoadedModel
from formats.model import BadModel, Model

_TANH = {"vanilla": {"activation": "tanh"}}
_BOTH = ("forward", "bidirectional")
_ALL = ("forward", "reverse", "bidirectional")
_FORWARD = {"direction": "forward"}
_ONE_WAY = {"vanilla": _FORWARD | _TANH["vanilla"], "gru": _FORWARD, "lstm": _FORWARD}
_PYTORCH, _TENSORFLOW = BACKENDS["pytorch"].dialect, BACKENDS["tensorflow_dynamic_rnn"].dialect

FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format("canonical", (".safetensors",), "the canonical layout (docs/own.md)", ("safetensors",),
               SPECIFICATION.cells, _ALL, tuple(PRECISION)),
        Format("pytorch", (".pt", ".pth"), "a state_dict with one torch.nn.RNN, GRU or LSTM", ("torch",),
               _PYTORCH.cells, _PYTORCH.directions, tuple(PRECISION), defaults=_TANH),
        Format("tensorflow", (".ckpt",), "a TensorFlow 1 checkpoint of BasicRNNCell, GRUCell, BasicLSTMCell or LSTMCell",
               ("tensorflow", "tf_keras"), _TENSORFLOW.cells, _TENSORFLOW.directions,
               unrecorded="activations of GRUCell and LSTM cells, cell_clip, what is called between the layers",
               defaults=_TANH | {"lstm": {"forget_bias": 1.0}}),
        Format("keras", (".weights.h5",), "the weights of SimpleRNN, GRU or LSTM layers", ("keras", "h5py"),
               KERAS, _BOTH, unrecorded="activations of GRU and LSTM, recurrent_activation, go_backwards, merge_mode, "
               "what is called between the layers", defaults=_TANH | {"gru": {"reset": "after"}}),
        Format("flax", (".msgpack",), "a tree of linen's SimpleCell, GRUCell, LSTMCell or OptimizedLSTMCell",
               ("flax",), FLAX, _ALL, unrecorded="activations of GRU and LSTM cells, residual, what is called between "
               "the layers", defaults=_ONE_WAY),
        Format("equinox", (".eqx",), "the leaves of a list of lists of GRUCell or LSTMCell, by layer and direction",
               ("equinox",), EQUINOX, _ALL, unrecorded="whose leaves they are, what is called between the layers",
               defaults=_ONE_WAY),
        Format("onnx", (".onnx",), "a graph with RNN, GRU or LSTM nodes", ("onnx", "onnxruntime"), ONNX, _ALL,
               ("float32",)),
    )
}  # fmt: skip
"""Every kind of file. What is converted into what, and what is lost, follows from this table alone."""


class Module(Protocol):
    """What the module of a format has."""

    def read(self, path: Path, given: Mapping[str, Any], part: str) -> LoadedModel:
        """The network in a file, of the places that start with ``part``; raises ``BadModel``."""

    def write(self, path: Path, model: Model) -> None:
        """The network as a file that is not there yet; raises ``OSError``."""

    def run(self, path: Path, found: LoadedModel, inputs: Inputs) -> Result:
        """What the framework makes of the inputs with the weights in the file."""

    def loader(self, model: Model) -> str:
        """How a user loads what is written, in lines of code; FILE is its name."""


def load(kind: Format, path: Path, given: Mapping[str, Any], part: str) -> LoadedModel:
    """The network in a file, whatever is wrong with it: raises ``BadModel`` with the file's name, or ``FormatNotFound``."""
    read = format_module(kind).read
    try:
        return read(path, given, part)
    except BadModel:
        raise
    except Exception as why:  # a parser's, of a file that is none
        words = str(why).strip().splitlines() or [""]
        raise BadModel(
            f"{path}: {type(why).__name__}: {words[0]}; expected {kind.contents}"
        ) from why


class FormatNotFound(Exception):
    """No such format, or its packages are not installed; the text says what to do."""


def find_format(path: Path, name: str | None) -> Format:
    """The format called ``name``, or of a file's ending; raises ``FormatNotFound``."""
    if name is not None:
        return FORMATS[name]
    for kind in FORMATS.values():
        if any(path.name.endswith(end) or f"{end}-" in path.name for end in kind.endings):
            return kind
    endings = ", ".join(f"{f.endings[0]} ({f.name})" for f in FORMATS.values())
    raise FormatNotFound(f"{path}: expected a name that ends in {endings}; or say --from or --to")


def format_module(kind: Format) -> Module:
    """The format's module; imports its packages. Raises ``FormatNotFound``."""
    try:
        return cast(Module, importlib.import_module(f"formats.{kind.name}"))
    except ModuleNotFoundError as error:
        raise FormatNotFound(
            f"{kind.name}: {error}; install it with: pip install {' '.join(kind.packages)} -c constraints.txt"
        ) from error


__all__ = [
    "FORMATS",
    "BadModel",
    "Format",
    "FormatNotFound",
    "LoadedModel",
    "Model",
    "Module",
    "find_format",
    "format_module",
    "reading",
]
