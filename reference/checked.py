"""The specification as it is called from outside: bad arguments are refused before any work starts."""

from __future__ import annotations

from reference import bptt, rnn
from reference.arguments import check_arguments, check_incoming
from reference.bptt import Gradients, Pullback
from reference.parameters import Params
from reference.rnn import Output
from reference.spec import Array, Spec


def run(
    spec: Spec,
    params: Params,
    x: Array,
    *,
    h0: Array | None = None,
    c0: Array | None = None,
    lengths: Array | None = None,
) -> Output:
    """Run a network over ``x``, in the floating-point type of its arguments.

    ``x`` may carry leading axes, and so may the other arguments except ``lengths``, with the same or
    fewer values.

    Args:
        spec: The network.
        params: ``params[layer][direction]``.
        x: Input (..., B, T, I), or (..., T, B, I) where ``spec.batch_first`` is false. Values past a
            row's length are never read.
        h0: Initial h (..., L·D, B, H); zero if None.
        c0: Initial c (..., L·D, B, H); zero if None.
        lengths: Valid steps of every row (B,), integers in 0 … T; all T if None.

    Returns:
        Outputs and final states.

    Raises:
        ValueError: An argument does not fit; the text names it, what was given and what was expected.
    """
    check_arguments(spec, params, x, h0=h0, c0=c0, lengths=lengths)
    return rnn.run(spec, params, x, h0=h0, c0=c0, lengths=lengths)


def vjp(
    spec: Spec,
    params: Params,
    x: Array,
    *,
    h0: Array | None = None,
    c0: Array | None = None,
    lengths: Array | None = None,
) -> tuple[Output, Pullback]:
    """Run a network, and return the vector–Jacobian product at these arguments.

    Args:
        spec: The network.
        params: ``params[layer][direction]``.
        x: Input (..., B, T, I), or (..., T, B, I) where ``spec.batch_first`` is false. Values past a
            row's length are never read.
        h0: Initial h (..., L·D, B, H); zero if None.
        c0: Initial c (..., L·D, B, H); zero if None.
        lengths: Valid steps of every row (B,), integers in 0 … T; all T if None.

    Returns:
        The output as from ``run``; and a function from the loss's gradients by the output to those by
        the arguments. It takes an ``Output`` of dy, dh_n and dc_n, each in the shape of its part, and
        raises ``ValueError`` for any other. Gradients by dy past a row's length do not count, since
        y is 0 there whatever x is.

    Raises:
        ValueError: An argument does not fit, as in ``run``.
    """
    check_arguments(spec, params, x, h0=h0, c0=c0, lengths=lengths)
    output, pullback = bptt.vjp(spec, params, x, h0=h0, c0=c0, lengths=lengths)

    def checked(d: Output) -> Gradients:
        check_incoming(output, d)
        return pullback(d)

    return output, checked
