"""Make attempts.txt: the number of the first informative draw of every default case, if that is not the first one.

A draw is informative if no tensor's bound comes near the largest share of the signal that still proves
something (``agreement.py``). A free-running decoder must also prefer its words clearly: rounding
decides an argmax between two likely words, and another word fed back changes all later steps.

    python -m evidence.redraw
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.progress import track

from backends import BACKENDS, AnyInputs, NetworkInputs
from commands.command_line import command, start
from conformance import cases
from conformance.agreement import is_undecided
from conformance.cases import NAMED, AnyCase, default_cases, precision_variants
from conformance.cases.precision_variants import original_id
from conformance.draw import draw_attempt
from conformance.truth import truth
from records.exit_codes import ExitCode
from reference.networks.layers import Decoder
from reference.networks.network import run
from reference.rounding import ARITHMETICS

MAX_ATTEMPTS = 5000
"""The number of draws that are tried for a case."""
SHARE_OF_LIMIT = 0.95
"""The part of the largest accepted bound-to-signal ratio that a draw may use."""
MIN_LOG_RATIO = {"float64": 0.1, "float32": 0.1, "float16": 0.1, "bfloat16": 0.5}
"""The least difference of logarithms between the likeliest word and the next one."""


def is_informative(inputs: AnyInputs) -> bool:
    """Return True if agreement on these inputs proves agreement.

    Args:
        inputs: the inputs of a case.

    Returns:
        True if no bound is too wide and a free-running decoder prefers its words clearly.

    """
    if isinstance(inputs, NetworkInputs) and not _feeds_back_clearly(inputs):
        return False
    t = truth(inputs)
    return not any(
        is_undecided(e, ARITHMETICS[name], SHARE_OF_LIMIT)
        for name in sorted(_declared_arithmetics(inputs.named_dtype))
        for e in t.expected(name).values()
    )


def _declared_arithmetics(dtype: str) -> set[str]:
    """Return the arithmetics that the backends declare for a dtype, on any device."""
    dialects = [entry.dialect for entry in BACKENDS.values()]
    return {d.held_to(dtype, kind) for d in dialects for kind in d.arithmetic} - {""}


def _feeds_back_clearly(inputs: NetworkInputs) -> bool:
    """Return True if a free-running decoder prefers each word that it feeds back clearly.

    The words must also differ between the steps of every row, and between rows. Networks without such a
    decoder pass.
    """
    if not any(isinstance(layer, Decoder) and layer.words == "free" for layer in inputs.network):
        return True
    likelihoods = run(inputs.network, inputs.params, inputs.data)
    fed = np.argmax(likelihoods, axis=-1)[:, :-1]
    second, first = np.moveaxis(np.sort(likelihoods, axis=-1)[..., -2:], -1, 0)
    certain = np.log(first / second).min() > MIN_LOG_RATIO[inputs.dtype]
    return bool(certain and (fed[:, 1:] != fed[:, :-1]).any(axis=1).all() and (fed != fed[0]).any())


def find_attempt(case: AnyCase) -> int:
    """Find the first informative draw of a case.

    Args:
        case: the case.

    Returns:
        The number of the draw.

    Raises:
        RuntimeError: none of ``MAX_ATTEMPTS`` draws is informative.

    """
    for number in range(MAX_ATTEMPTS):
        if is_informative(draw_attempt(case, number)):
            return number
    raise RuntimeError(f"{case.id}: none of {MAX_ATTEMPTS} draws is informative; change the case")


@command("python -m evidence.redraw")
def main() -> ExitCode:
    """Find a draw of every default case that shows mistakes, and write attempts.txt."""
    every = [*{case.id: case for case in (*default_cases("cuda"), *NAMED.values())}.values()]
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
    return ExitCode.CLEAN


if __name__ == "__main__":
    start(main)
