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
    """Run the network ``spec`` over ``x``, in the floating-point type of its arguments.

    ``x (..., B, T, I)``, or ``(..., T, B, I)`` where ``spec.batch_first`` is false;
    ``params[layer][direction]``; ``h0, c0 (..., L·D, B, H)``, zero where not given;
    ``lengths (B,)`` integers in 0 … T, all T where not given. What ``x`` holds past a row's
    length is never read. ``x`` may carry leading axes, and so may
    the other arguments but ``lengths``, to the same or fewer values. Raises
    ``ValueError`` naming the argument, what was given and what was expected.
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
    """What ``run`` returns, and the vector–Jacobian product at these arguments.

    The arguments are those of ``run``. The second result takes an ``Output`` of incoming gradients
    dy, dh_n and dc_n, each in the shape of what it belongs to, and raises ``ValueError`` for any that
    is not. Gradients by dy past a row's length do not count, since y is 0 there whatever x is.
    """
    check_arguments(spec, params, x, h0=h0, c0=c0, lengths=lengths)
    output, pullback = bptt.vjp(spec, params, x, h0=h0, c0=c0, lengths=lengths)

    def checked(d: Output) -> Gradients:
        check_incoming(output, d)
        return pullback(d)

    return output, checked
