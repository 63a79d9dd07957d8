"""Make attempts.txt: for every default case whose first draw says too little, one that says enough.

A draw says enough when the bound of no tensor is nearly too wide a share of it (``agreement.py``), and
when a free-running decoder is of one mind, since an argmax between two likely words is decided by
rounding, and feeds different words back.

    python -m evidence.redraw
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.progress import track

from backends import BACKENDS, AnyInputs, NetworkInputs
from conformance import cases
from conformance.agreement import is_undecided
from conformance.cases import AnyCase, default_cases, precision_variants
from conformance.cases.precision_variants import original_id
from conformance.draw import draw_attempt
from conformance.truth import truth
from reference.networks.layers import Decoder
from reference.networks.network import run
from reference.rounding import ARITHMETICS

MAX_ATTEMPTS = 5000
SHARE_OF_LIMIT = 0.95
"""The share of the widest bound that still says something which a draw may take."""
MIN_LOG_RATIO = {"float64": 0.1, "float32": 0.1, "float16": 0.1, "bfloat16": 0.5}
"""How much likelier, as a difference of logarithms, a word must be than any other to be fed back."""


def is_informative(inputs: AnyInputs) -> bool:
    """Whether agreement with these inputs means agreement."""
    if isinstance(inputs, NetworkInputs) and not _feeds_back_clearly(inputs):
        return False
    t = truth(inputs)
    return not any(
        is_undecided(e, ARITHMETICS[name], SHARE_OF_LIMIT)
        for name in sorted(_declared_arithmetics(inputs.named_dtype))
        for e in t.expected(name).values()
    )


def _declared_arithmetics(dtype: str) -> set[str]:
    """Those that any backend is held to in this dtype, on any device."""
    dialects = [entry.dialect for entry in BACKENDS.values()]
    return {d.held_to(dtype, kind) for d in dialects for kind in d.arithmetic} - {""}


def _feeds_back_clearly(inputs: NetworkInputs) -> bool:
    """Whether a free-running decoder, if there is one, is certain of the words that it feeds back.

    And whether those differ between the steps of every row, and between rows.
    """
    if not any(isinstance(layer, Decoder) and layer.words == "free" for layer in inputs.network):
        return True
    likelihoods = run(inputs.network, inputs.params, inputs.data)
    fed = np.argmax(likelihoods, axis=-1)[:, :-1]
    second, first = np.moveaxis(np.sort(likelihoods, axis=-1)[..., -2:], -1, 0)
    certain = np.log(first / second).min() > MIN_LOG_RATIO[inputs.dtype]
    return bool(certain and (fed[:, 1:] != fed[:, :-1]).any(axis=1).all() and (fed != fed[0]).any())


def find_attempt(case: AnyCase) -> int:
    """The number of the first draw that says enough; raises ``RuntimeError`` for none in ``MOST``."""
    for number in range(MAX_ATTEMPTS):
        if is_informative(draw_attempt(case, number)):
            return number
    raise RuntimeError(f"{case.id}: none of {MAX_ATTEMPTS} draws says enough; change the case")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()  # it takes none
    every = default_cases("cuda")
    found = {
        case.id: find_attempt(case)
        for case in track([*every, *precision_variants(every)], "drawing")
    }
    lines = [
        f"{case_id} {number}\n"
        for case_id, number in found.items()
        if number != (0 if (of := original_id(case_id)) == case_id else found[of])
    ]
    (Path(cases.__file__).parent / "attempts.txt").write_text("".join(lines), "utf-8")
