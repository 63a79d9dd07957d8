"""Options: the fields and values that a dialect declares, and the refusal of all others.

A dialect lists what its adapter runs. An option that is not listed runs with its default alone, so
a new field of a spec, a layer, an optimiser or the inputs is refused until a dialect declares it.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeAlias

import numpy as np


class _AnyValue(Container[Any]):
    """The values of an option whose every value runs."""

    def __contains__(self, value: object) -> bool:
        return True


ANY = _AnyValue()
"""Every value runs."""
BOTH = (True, False)

Options: TypeAlias = Mapping[str, Container[Any]]
"""The values that run, by field; a field that is not listed runs with its default alone."""

COMMON: Mapping[str, Options] = {
    "Spec": {"input_size": ANY, "hidden_size": ANY, "num_layers": ANY, "bias": BOTH,
             "batch_first": BOTH},
    "Inputs": dict.fromkeys(("spec", "dtype", "params", "x", "h0", "c0", "lengths", "incoming",
                             "precision"), ANY),
    "NetworkInputs": dict.fromkeys(("network", "dtype", "params", "data", "precision"), ANY),
    "TrainingInputs": dict.fromkeys(("network", "dtype", "params", "batches", "optimiser", "clip",
                                     "fixed", "precision"), ANY),
    "Data": dict.fromkeys(("x", "lengths", "targets", "target_lengths"), ANY),
    "Vectors": {"size": ANY},
    "Vector": {"size": ANY},
    "OneHot": {"vocabulary": ANY},
    "Embedding": {"vocabulary": ANY, "size": ANY},
    "Recurrent": {"spec": ANY},
    "FinalState": {},
    "Readout": {"units": ANY, "at": ANY, "activation": ("identity", "tanh", "relu", "softmax")},
    "Dense": {"units": ANY, "activation": ("identity", "tanh", "relu", "softmax"), "bias": BOTH},
    "Decoder": {"spec": ANY, "steps": ANY, "units": ANY, "context": ("input", "state", "both"),
                "words": ("none", "teacher", "free"), "word_size": ANY,
                "bridge": ("none", "identity", "tanh"),
                "activation": ("identity", "tanh", "relu", "softmax")},
    "NegativeLogLikelihood": {"reduction": ("mean", "sum")},
    "MeanSquaredError": {"reduction": ("mean", "sum")},
    "GradientDescent": {"rate": ANY},
    "Momentum": {"rate": ANY, "momentum": ANY},
    "Adam": dict.fromkeys(("rate", "beta1", "beta2", "epsilon", "placement"), ANY),
    "Clip": {"most": ANY, "epsilon": ANY},
}  # fmt: skip
"""The options that every framework of the list runs, by class.

Dialects declare the options of cells, directions, ε and dtypes in fields of their own. An option
that only some frameworks run belongs in their dialects, not here.
"""


def undeclared(options: Options, holder: Any, prefix: str = "") -> str | None:
    """Return the first option that an object sets and that is not declared.

    Args:
        options: The declared values, by field.
        holder: A dataclass or a named tuple, such as a spec or a layer.
        prefix: The text before the name of the field in the message.

    Returns:
        "<option>: <why>", or None where every value is declared or a default.
    """
    for name, default in _fields(holder):
        value = getattr(holder, name)
        if name in options:
            if options[name] is not ANY and not _is_one_of(value, options[name]):
                return f"{prefix}{name}: it runs {_listed(options[name])}, not {value}"
        elif not _is_one_of(value, (default,)):
            only = "" if default is MISSING else f", only its default {default!r}"
            return f"{prefix}{name}: {value!r:.80} given, but it does not run this option{only}"
    return None


def undeclared_in(options: Mapping[str, Options], holder: Any) -> str | None:
    """Return the first option of an object that is not declared for its class.

    Args:
        options: The declared values, by class and field.
        holder: A layer, an optimiser, a clip, data or inputs.

    Returns:
        "<class>.<option>: <why>", "<class>: <why>" for an undeclared class, or None.
    """
    kind = type(holder).__name__
    if kind not in options:
        return f"{kind}: it runs {_listed(tuple(options))}, not {kind}"
    return undeclared(options[kind], holder, f"{kind}.")


def restricted(options: Options, names: Collection[str]) -> Options:
    """Return the declared values of some fields; the others run with their defaults alone.

    Args:
        options: The declared values, by field.
        names: The fields to keep.

    Returns:
        The values of those fields.
    """
    return {name: values for name, values in options.items() if name in names}


def _fields(holder: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name and the default of every field."""
    if is_dataclass(holder):
        for field in fields(holder):
            yield field.name, field.default
    else:
        for name in holder._fields:
            yield name, holder._field_defaults.get(name, MISSING)


def _is_one_of(value: Any, values: Container[Any]) -> bool:
    """Return whether the value is listed; an array is only listed by itself."""
    if isinstance(value, np.ndarray):
        return isinstance(values, tuple) and any(value is one for one in values)
    return value in values


def _listed(values: Any) -> str:
    """Return the values in words."""
    return " or ".join(map(str, values)) or "nothing"
