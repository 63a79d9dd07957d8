"""File formats of recurrent networks: one module a format, and the table of all formats."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from backends import BACKENDS
from backends.adapter import Inputs, Result
from backends.dialects import EQUINOX, FLAX, KERAS, ONNX, SPECIFICATION
from backends.dtypes import PRECISION
from backends.missing import missing_packages
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
"""All file formats, by name. Every conversion verdict follows from this table alone."""


class Module(Protocol):
    """The interface of a format's module."""

    def read(self, path: Path, given: Mapping[str, Any], part: str) -> LoadedModel:
        """Read the one network in a file.

        Args:
            path: the file.
            given: fields of the spec that the user states, such as ``{"forget_bias": 1.0}``.
            part: prefix of the names of the network's parameters; empty for a file with one network.

        Returns:
            The network, and how its parts were found.

        Raises:
            BadModel: the file holds no such network.
        """

    def write(self, path: Path, model: Model) -> None:
        """Write a network to a new file.

        Args:
            path: the file.
            model: the network.

        Raises:
            OSError: the file cannot be written.
        """

    def run(self, path: Path, found: LoadedModel, inputs: Inputs) -> Result:
        """Run the framework with the weights in a file.

        Args:
            path: the file.
            found: what ``read`` returned for the file.
            inputs: the batch; its parameters are not used.

        Returns:
            Outputs ``y`` and final states.
        """

    def loader(self, model: Model) -> str:
        """Return the lines of code that load a written file.

        Args:
            model: the network that was written.

        Returns:
            Python code, with ``FILE`` for the name of the file.
        """


def load(kind: Format, path: Path, given: Mapping[str, Any], part: str) -> LoadedModel:
    """Read the one network in a file, and turn every error of a parser into ``BadModel``.

    Args:
        kind: the file's format.
        path: the file.
        given: fields of the spec that the user states.
        part: prefix of the names of the network's parameters; empty for a file with one network.

    Returns:
        The network, and how its parts were found.

    Raises:
        BadModel: the file holds no such network; the text begins with the file's name.
        FormatNotFound: the format's packages are not installed.
    """
    read = format_module(kind).read
    try:
        return read(path, given, part)
    except BadModel:
        raise
    except Exception as why:  # parsers of damaged files raise anything
        words = str(why).strip().splitlines() or [""]
        raise BadModel(
            f"{path}: {type(why).__name__}: {words[0]}; expected {kind.contents}"
        ) from why


class FormatNotFound(Exception):
    """Unknown format, or one whose packages are not installed; the text says what to do."""


def find_format(path: Path, name: str | None) -> Format:
    """Return the format of a file.

    Args:
        path: the file; its ending tells the format.
        name: the format's name, if the user gives it; then the ending does not matter.

    Returns:
        The row of ``FORMATS``.

    Raises:
        FormatNotFound: no format has this ending.
    """
    if name is not None:
        return FORMATS[name]
    for kind in FORMATS.values():
        if any(path.name.endswith(end) or f"{end}-" in path.name for end in kind.endings):
            return kind
    endings = ", ".join(f"{f.endings[0]} ({f.name})" for f in FORMATS.values())
    raise FormatNotFound(
        f"{path}: expected a name that ends in {endings}; or name the format with --from or --to"
    )


def format_module(kind: Format) -> Module:
    """Import the module of a format, with the packages that it needs.

    Args:
        kind: the format.

    Returns:
        The module.

    Raises:
        FormatNotFound: a package is not installed; the text has the command that installs it.
    """
    try:
        return cast(Module, importlib.import_module(f"formats.{kind.name}"))
    except ModuleNotFoundError as error:
        raise FormatNotFound(
            missing_packages(f"format {kind.name}", error, kind.packages)
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
