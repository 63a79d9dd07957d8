"""Arithmetics: which operations of a floating-point type round, and how coarsely.

An arithmetic is four unit roundoffs. With ξ uniform on (−1, 1), drawn anew for every element:

    +, −, ×, ÷, √       v (1 + u_op ξ), then storage
    tanh, exp, log, σ   v (1 + k_act u_op ξ), then storage
    sums and matmul     v + s, then storage;  s has mean 0 and, for depth n with p₂ = Σ aₖ² bₖ²,
                        variance ⅔ u_operand² p₂ + ⅓ u_acc² · n/2 · max(p₂, v²); plain sums have
                        no operands to round
    storage             v (1 + u_store ξ)
    underflow           v ± least at least, where v is not 0, and v ± |v| where |v| is below least
    overflow            ±∞ where |v| is above largest

Frameworks compute σ in 16 bits as one operation, or as 1 / (1 + exp(−v)) of three that are stored: each is
done in half of the samples.

The max(p₂, v²) is for sums of one sign, whose partial sums are as large as the result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

K_ACT = 3.0
"""The number of u_op that an elementary function may be off; evidence: docs/results/calibration.md."""


@dataclass(frozen=True)
class Arithmetic:
    """Unit roundoffs of a matmul's operands, its accumulation, all else, and storage; 0 = exact."""

    name: str
    u_operand: float
    u_acc: float
    u_op: float
    u_store: float
    k_act: float = K_ACT
    """The number of u_op that an elementary function may be off."""
    u_sum: float = 0
    """Unit roundoff of plain sums, where it is not that of matmuls; 0 where it is."""
    least: float = 2.0**-126
    """The smallest normal number of operations: many kernels make 0 of anything smaller."""
    least_stored: float = 2.0**-126
    """The same of storage; for float16, which keeps smaller numbers, half the step between them."""
    largest: float = 2.0**128 * (1 - 2.0**-24)
    """The largest number of the type that results are stored in."""

    @property
    def u_out(self) -> float:
        """The unit roundoff of the type that results are returned in."""
        return self.u_store or self.u_op


_16 = 2.0**-25
_BFLOAT16 = {"u_store": 2**-8, "largest": 2.0**128 * (1 - 2.0**-8)}
_FLOAT16 = {"u_store": 2**-11, "least_stored": _16, "largest": 65504.0}
ARITHMETICS: dict[str, Arithmetic] = {
    a.name: a
    for a in (
        Arithmetic("float64", 0, 2**-53, 2**-53, 0, least=2.0**-1022, largest=math.inf),
        Arithmetic("float32", 0, 2**-24, 2**-24, 0),
        Arithmetic("tf32", 2**-11, 2**-24, 2**-24, 0),
        Arithmetic("float16", 0, 2**-24, 2**-24, **_FLOAT16),
        Arithmetic("float16-summed", 0, 2**-24, 2**-24, u_sum=2**-11, **_FLOAT16),
        Arithmetic("float16-throughout", 0, 2**-11, 2**-11, least=_16, **_FLOAT16),
        Arithmetic("bfloat16", 0, 2**-24, 2**-24, **_BFLOAT16),
        Arithmetic("bfloat16-summed", 0, 2**-24, 2**-24, u_sum=2**-8, **_BFLOAT16),
        Arithmetic("bfloat16-throughout", 0, 2**-8, 2**-8, **_BFLOAT16),
    )
}
"""From the tightest to the loosest. float16 and bfloat16 accumulate in float32; kernels that add up
plain sums in the 16-bit type, or compute in it throughout, have arithmetics of their own."""
