"""A script from a case and a backend; no framework is imported for it."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from backends import BACKENDS, Dialect, Inputs, NetworkInputs, TrainingInputs, Unsupported
from backends.adapter import kind_of, refusal
from backends.options import COMMON, restricted
from conformance.agreement import Z
from conformance.cases import AnyCase
from conformance.check import apply_training_dialect
from conformance.draw import draw
from conformance.truth import truth
from evidence.reproducer.data import data
from evidence.reproducer.facts import described, facts
from evidence.reproducer.frameworks import FRAMEWORKS, WAYS
from evidence.reproducer.subject import Subject
from reference import GATES, STATES

SHOWN = ("activation", "reset", "forget_bias")
"""The options of cells that the templates know."""
WIDTH = 96
"""Of a line of prose."""


def script(case: AnyCase, backend: str, device: str = "cpu") -> str:
    """The source of a script that shows what ``backend`` makes of ``case``.

    Raises ``Unsupported`` where the backend's dialect cannot run the case.
    """
    entry = BACKENDS[backend]
    inputs = apply_training_dialect(draw(case), entry.dialect)
    kind = kind_of(device)
    if why := refusal(shown(entry.dialect), inputs, kind):
        raise Unsupported(why)
    subject = Subject(case.id, truth(inputs), entry.dialect, kind)
    written = data(subject)
    text = (
        _templates()
        .get_template("script.py.j2")
        .render(
            case=facts(subject, entry.extra),
            backend=backend,
            device=device,
            tf_device=device.replace("cuda", "gpu"),
            dialect=entry.dialect,
            framework=FRAMEWORKS[entry.extra],
            way=WAYS[backend],
            title=textwrap.fill(title(subject), WIDTH),
            purpose="\n\n".join(textwrap.fill(p, WIDTH) for p in purpose(subject, backend)),
            data=written,
            packed="unpack(" in written,
        )
    )
    return tidy(text)


def shown(dialect: Dialect) -> Dialect:
    """Return the dialect without the options that the templates do not know.

    Args:
        dialect: A framework's declaration.

    Returns:
        The declaration of what a script can show.
    """
    cells = {
        name: replace(cell, options=restricted(cell.options, SHOWN))
        for name, cell in dialect.cells.items()
    }
    return replace(dialect, cells=cells, options=COMMON)


def title(subject: Subject) -> str:
    """What is run, in a line."""
    run = {Inputs: "", NetworkInputs: "a network with ", TrainingInputs: "training of "}
    nets = " and ".join(described(spec) for spec in subject.specs)
    inputs = subject.inputs
    back = isinstance(inputs, NetworkInputs) or (
        isinstance(inputs, Inputs) and inputs.incoming is not None
    )
    text = f"{run[type(inputs)]}{nets} in {inputs.named_dtype}{', with gradients' if back else ''}"
    return text[0].upper() + text[1:]


def purpose(subject: Subject, backend: str) -> list[str]:
    """What the script does and needs, in paragraphs."""
    framework, way = FRAMEWORKS[BACKENDS[backend].extra], WAYS[backend]
    paragraphs = [
        f"{framework.title} runs it, {way.calls}, and so do equations in NumPy, in float64, on the same "
        "numbers. For every result this prints the element that is furthest off, beside its bound: "
        f"{Z:g} standard deviations of what rounding in {subject.arithmetic} does to that element, and "
        "its own last rounding.",
        f"Needs NumPy 2 and {framework.needs}; no other file, and nothing of rnnspec, whose case this is "
        f"on {backend}.",
    ]
    if subject.inlined:
        paragraphs.insert(1, (
            "What the equations say is written down below, since by these means it would take minutes. "
            "They are those of reference/networks/ in rnnspec, an executable specification of "
            "recurrent networks."
        ))  # fmt: skip
    return paragraphs


def tidy(text: str) -> str:
    """``text`` without trailing spaces, and with two empty lines at most."""
    lines: list[str] = []
    for line in map(str.rstrip, text.splitlines()):
        if line or lines[-2:] != ["", ""]:
            lines.append(line)
    return "\n".join(lines).strip("\n") + "\n"


@cache
def _templates() -> Environment:
    """Python is no HTML, so nothing is escaped: what goes in are reprs and words of our own tables."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    tables: dict[str, Any] = {"GATES": GATES, "STATES": STATES}
    environment.globals |= tables
    environment.filters["bool"] = bool
    return environment
