"""Mutants: the specification with one small mistake each, which the default cases must catch.

A conformance suite is as good as the mistakes that it catches. A mutant is one edit of the source of
one function of ``reference/``, in the tables ``equations``, ``sequences``, ``gradients`` and
``networks``. It runs as a backend on every case that it concerns, in every dtype.
"""

from evidence.mutants import equations, gradients, networks, sequences
from evidence.mutants.mutant import KINDS, Mutant, apply_mutant

MUTANTS: tuple[Mutant, ...] = (
    *equations.MUTANTS,
    *sequences.MUTANTS,
    *gradients.MUTANTS,
    *networks.MUTANTS,
)

__all__ = ["KINDS", "MUTANTS", "Mutant", "apply_mutant"]
