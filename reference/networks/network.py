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
    """One layer that was passed on the way forward.

    ``a`` is its pre-activation, ``v`` its output; ``back`` and ``activation_back`` go back through it.
    """

    a: Any
    v: Any
    back: LayerBack
    activation_back: Back


def run(network: Network, params: NetworkParams, data: Data, words: Array | None = None) -> Array:
    """Run a network and return the last layer's output.

    All parameters may carry the same leading axes, and then x does, where it is numbers; x alone may
    where no words are fed.

    Args:
        network: Layers.
        params: The network's parameters, an entry for every layer.
        data: Input and targets.
        words: Words that a free-running decoder is fed (B, S), or None.

    Returns:
        A sequence (..., B, T, N) or a vector (..., B, N).

    Raises:
        ValueError: The network, parameters or data do not fit.
    """
    check_arguments(network, params, data, words)
    passed = forward(network, params, data, words)
    return as_given(network, passed[-1].v)


def differentiate(
    network: Network, params: NetworkParams, data: Data, words: Array | None = None
) -> NetworkGradients:
    """Run a network that ends in a loss, forward and back.

    Args:
        network: Layers.
        params: The network's parameters, an entry for every layer.
        data: Input and targets.
        words: Words that a free-running decoder is fed (B, S), or None.

    Returns:
        The output, the loss, and the loss's gradients by the parameters and the input.

    Raises:
        ValueError: The network, parameters or data do not fit.
    """
    check_arguments(network, params, data, words)
    check_loss(network)
    return gradients(network, params, data, words)


def gradients(
    network: Network, params: NetworkParams, data: Data, words: Array | None = None
) -> NetworkGradients:
    """Run a network forward and back, on arguments that were checked.

    Args:
        network: Layers.
        params: The network's parameters, an entry for every layer.
        data: Input and targets.
        words: Words that a free-running decoder is fed (B, S), or None.

    Returns:
        The output, the loss, and the loss's gradients by the parameters and the input.
    """
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
    """Return the words that a network's free-running decoder feeds itself.

    Args:
        network: Layers.
        params: The network's parameters, an entry for every layer.
        data: Input and targets.

    Returns:
        Words (B, S), or None where no decoder runs freely.
    """
    check_arguments(network, params, data)
    for k, layer in enumerate(network):
        if isinstance(layer, Decoder) and layer.words == "free":
            context = forward(network[:k], params[:k], data, None)[-1].v
            return own_words(layer, params[k], values(context))  # type: ignore[arg-type]  # an attention always has a context
    return None


def forward(
    network: Network, params: NetworkParams, data: Data, words: Array | None
) -> list[Passed]:
    """Run all layers except the loss.

    Args:
        network: Layers.
        params: The network's parameters, an entry for every layer.
        data: Input and targets.
        words: Words that a free-running decoder is fed (B, S), or None.

    Returns:
        Every layer that was passed, in order.
    """
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
    """Return the word before every step: of the targets after word 0, or the decoder's own.

    Args:
        layer: The decoder.
        params: Its parameters.
        context: The context vector (..., B, 1, C).
        data: The network's data, with a teacher's targets.
        known: Words of a free-running decoder (B, S) where they are known, or None.

    Returns:
        Words (B, S), or None where none are fed.
    """
    if layer.words == "teacher":
        assert data.targets is not None
        return np.concatenate([np.zeros_like(data.targets[:, :1]), data.targets[:, :-1]], axis=1)
    if layer.words == "free" and known is None:
        return own_words(layer, params, context)
    return known


def read(
    layer: Layer, params: LayerParams, data: Data, every: NetworkParams
) -> tuple[Any, LayerBack]:
    """Return the input as a sequence.

    Args:
        layer: The input layer.
        params: Its parameters.
        data: The network's data.
        every: Parameters of all layers, whose kind of array a one-hot word gets.

    Returns:
        A sequence (..., B, T, N), and the function back from its gradient to those by the parameters and the input.
    """
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
    """Run a recurrent network over a sequence.

    Args:
        layer: The layer.
        params: Its parameters.
        v: A sequence (..., B, T, N).
        data: The network's data.

    Returns:
        Outputs and final states, and the function back from its gradient to those by the parameters and the input.
    """
    output, pullback = vjp(layer.spec, params, values(v), lengths=data.lengths)

    def back(d: Any) -> tuple[Any, Any]:
        found = pullback(d if isinstance(d, Output) else incoming(output, y=d))
        return found.params, found.x

    return output, back


def final_state(layer: Any, params: Any, v: Output, data: Data) -> tuple[Array, LayerBack]:
    """Return h_n of the last layer, the directions side by side.

    Args:
        layer: The layer.
        params: Its parameters.
        v: The output of a recurrent network.
        data: The network's data.

    Returns:
        A sequence of one step (..., B, 1, D·H), and the function back from its gradient to those by the parameters and the input.
    """
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
    """Apply an affine map to the steps that a readout reads.

    Args:
        layer: The layer.
        params: Its parameters.
        v: A sequence (..., B, T, N).
        data: The network's data.

    Returns:
        A sequence (..., B, S, units), and the function back from its gradient to those by the parameters and the input.
    """
    chosen, select_back = select(layer.at, values(v), data.lengths)
    a, affine_back = affine_layer(params, chosen)

    def back(d: Any) -> tuple[Any, Any]:
        found, d_chosen = affine_back(d)
        return found, select_back(d_chosen)

    return a, back


def dense(layer: Any, params: Any, v: Any, data: Data) -> tuple[Array, LayerBack]:
    """Apply an affine map to every step.

    Args:
        layer: The layer.
        params: Its parameters.
        v: A sequence (..., B, T, N).
        data: The network's data.

    Returns:
        A sequence (..., B, T, units), and the function back from its gradient to those by the parameters and the input.
    """
    return affine_layer(params, values(v))


PASS: dict[type, Callable[[Any, Any, Any, Data], tuple[Any, LayerBack]]] = {
    Recurrent: recurrent,
    FinalState: final_state,
    Readout: readout,
    Dense: dense,
}


def activation(layer: Layer) -> str:
    """Return a layer's own activation.

    Args:
        layer: The layer.

    Returns:
        Its name; "identity" where the layer has none.
    """
    return layer.activation if isinstance(layer, Readout | Dense | Decoder) else "identity"


def values(v: Any) -> Any:
    """Return the sequence that a layer passes on, without final states.

    Args:
        v: A sequence, or the output of a recurrent network.

    Returns:
        A sequence (..., B, T, N).
    """
    return v.y if isinstance(v, Output) else v


def as_given(network: Network, v: Any) -> Array:
    """Return a network's output as its user sees it: a vector without its one step.

    Args:
        network: Layers.
        v: The last layer's sequence, or the output of a recurrent network.

    Returns:
        A sequence (..., B, T, N) or a vector (..., B, N).
    """
    v = values(v)
    return v if is_sequence(network) else v[..., 0, :]
