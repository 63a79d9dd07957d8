"""A whole network: forward through its layers, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from reference.bptt import incoming, vjp
from reference.cells import gates
from reference.networks.activations import Back, activate
from reference.networks.arguments import check_arguments, check_loss
from reference.networks.decoder import decode, own_words
from reference.networks.feedforward import affine_layer, embed, one_hot, select
from reference.networks.layers import (
    Data,
    Decoder,
    DecoderParams,
    Dense,
    Embedding,
    FinalState,
    Layer,
    LayerParams,
    MeanSquaredError,
    NegativeLogLikelihood,
    Network,
    NetworkParams,
    OneHot,
    Readout,
    Recurrent,
    Table,
    Vectors,
)
from reference.networks.losses import mean_squared_error, negative_log_likelihood
from reference.networks.shapes import is_sequence
from reference.rnn import Output
from reference.spec import Array
from reference.trees import named

LayerBack = Callable[[Any], tuple[Any, Any]]


class NetworkGradients(NamedTuple):
    """The last layer's output, the loss, and the loss's gradients by every parameter and by x.

    ``x`` is None where the input is words.
    """

    y: Array
    loss: Array
    params: NetworkParams
    x: Array | None


class Passed(NamedTuple):
    """One layer that was passed on the way forward: its pre-activation, its output, the ways back."""

    a: Any
    v: Any
    back: LayerBack
    activation_back: Back


def run(network: Network, params: NetworkParams, data: Data, words: Array | None = None) -> Array:
    """The last layer's output: a sequence ``(..., B, T, N)`` or a vector ``(..., B, N)``.

    ``words (B, S)`` are those that a free-running decoder feeds itself, where they are known
    (``free_words``). All parameters may carry the same leading axes, and then x does, where it is
    numbers; x alone may where no words are fed. Raises ``ValueError`` for a network, parameters or
    data that do not fit.
    """
    check_arguments(network, params, data, words)
    passed = forward(network, params, data, words)
    return as_given(network, passed[-1].v)


def differentiate(
    network: Network, params: NetworkParams, data: Data, words: Array | None = None
) -> NetworkGradients:
    """The output and the loss, and the loss's gradients by the parameters and the input.

    Arguments and errors as in ``run``; the network ends in a loss, and there are targets.
    """
    check_arguments(network, params, data, words)
    check_loss(network)
    return gradients(network, params, data, words)


def gradients(
    network: Network, params: NetworkParams, data: Data, words: Array | None = None
) -> NetworkGradients:
    """What ``differentiate`` returns, of arguments that were checked."""
    *_, loss_layer = network
    passed = forward(network, params, data, words)
    last = passed[-1]
    d_params: list[Any] = [()]
    if isinstance(loss_layer, NegativeLogLikelihood):  # its gradient is by the pre-activations
        loss, d = negative_log_likelihood(loss_layer, last.a, data)
        found, d = last.back(d)
        d_params.append(found)
        passed = passed[:-1]
    else:
        assert isinstance(loss_layer, MeanSquaredError)
        loss, d = mean_squared_error(loss_layer, values(last.v), data)
    for layer in reversed(passed):
        found, d = layer.back(layer.activation_back(d))
        d_params.append(found)
    words_in = isinstance(network[0], OneHot | Embedding)
    dx = None if words_in else d if is_sequence(network[:1]) else d[..., 0, :]
    return NetworkGradients(as_given(network, last.v), loss, tuple(reversed(d_params)), dx)


def free_words(network: Network, params: NetworkParams, data: Data) -> Array | None:
    """The words ``(B, S)`` that the network's free-running decoder feeds itself; None without one."""
    check_arguments(network, params, data)
    for k, layer in enumerate(network):
        if isinstance(layer, Decoder) and layer.words == "free":
            context = forward(network[:k], params[:k], data, None)[-1].v
            return own_words(layer, params[k], values(context))  # type: ignore[arg-type]
    return None


def forward(
    network: Network, params: NetworkParams, data: Data, words: Array | None
) -> list[Passed]:
    """Every layer that was passed, but for the loss."""
    passed: list[Passed] = []
    v: Any = None
    for k, layer in enumerate(network):
        if isinstance(layer, NegativeLogLikelihood | MeanSquaredError):
            break
        if isinstance(layer, Decoder):
            own: Any = params[k]
            words = fed_words(layer, own, values(v), data, words)
            a, back = decode(layer, own, values(v), words)
        elif k == 0:
            a, back = read(layer, params[0], data, params)
        else:
            a, back = PASS[type(layer)](layer, params[k], v, data)
        v, activation_back = activate(activation(layer), a)
        passed.append(Passed(a, v, back, activation_back))
    return passed


def fed_words(
    layer: Decoder, params: DecoderParams, context: Array, data: Data, known: Array | None
) -> Array | None:
    """The word before every step: of the targets after word 0, or the decoder's own."""
    if layer.words == "teacher":
        assert data.targets is not None
        return np.concatenate([np.zeros_like(data.targets[:, :1]), data.targets[:, :-1]], axis=1)
    if layer.words == "free" and known is None:
        return own_words(layer, params, context)
    return known


def read(
    layer: Layer, params: LayerParams, data: Data, every: NetworkParams
) -> tuple[Any, LayerBack]:
    """The input as a sequence."""
    if isinstance(layer, Embedding):
        assert isinstance(params, Table)
        v, back = embed(params.table, data.x)
        return v, lambda d: (Table(back(d)), None)
    if isinstance(layer, OneHot):
        like = next(iter(named(every, "").values()))
        return one_hot(data.x, layer.vocabulary, like), lambda _: ((), None)
    x = data.x if isinstance(layer, Vectors) else data.x[..., None, :]
    return x, lambda d: ((), d)


def recurrent(layer: Any, params: Any, v: Any, data: Data) -> tuple[Output, LayerBack]:
    """A recurrent network over the sequence: its outputs, and its final states."""
    output, pullback = vjp(layer.spec, params, values(v), lengths=data.lengths)

    def back(d: Any) -> tuple[Any, Any]:
        found = pullback(d if isinstance(d, Output) else incoming(output, y=d))
        return found.params, found.x

    return output, back


def final_state(layer: Any, params: Any, v: Output, data: Data) -> tuple[Array, LayerBack]:
    """h_n of the last layer, the directions side by side, as a sequence of one step."""
    rows = v.h_n.shape[-3]
    directions = v.y.shape[-1] // v.h_n.shape[-1]
    states = [v.h_n[..., row, :, :] for row in range(rows - directions, rows)]

    def back(d: Any) -> tuple[Any, Any]:
        zero = np.zeros_like(d, shape=(*d.shape[:-2], v.h_n.shape[-1]))
        last = gates(d[..., 0, :], directions)
        dh_n = np.stack([zero] * (rows - directions) + last, axis=-3)
        return (), incoming(v, h_n=dh_n)

    return np.concatenate(states, axis=-1)[..., None, :], back


def readout(layer: Any, params: Any, v: Any, data: Data) -> tuple[Array, LayerBack]:
    """The steps that are read, through an affine map."""
    chosen, select_back = select(layer.at, values(v), data.lengths)
    a, affine_back = affine_layer(params, chosen)

    def back(d: Any) -> tuple[Any, Any]:
        found, d_chosen = affine_back(d)
        return found, select_back(d_chosen)

    return a, back


def dense(layer: Any, params: Any, v: Any, data: Data) -> tuple[Array, LayerBack]:
    """An affine map of every step."""
    return affine_layer(params, values(v))


PASS: dict[type, Callable[[Any, Any, Any, Data], tuple[Any, LayerBack]]] = {
    Recurrent: recurrent,
    FinalState: final_state,
    Readout: readout,
    Dense: dense,
}


def activation(layer: Layer) -> str:
    """The layer's own g."""
    return layer.activation if isinstance(layer, Readout | Dense | Decoder) else "identity"


def values(v: Any) -> Any:
    """The sequence that a layer passes on, where it passes on states too."""
    return v.y if isinstance(v, Output) else v


def as_given(network: Network, v: Any) -> Array:
    """A sequence as it is, a vector without its one step."""
    v = values(v)
    return v if is_sequence(network) else v[..., 0, :]
