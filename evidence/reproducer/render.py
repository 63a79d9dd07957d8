"""A script from a case and a backend; no framework is imported for it."""

from __future__ import annotations

import textwrap
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from backends import BACKENDS, Inputs, NetworkInputs, TrainingInputs, Unsupported
from backends.adapter import kind_of, refusal
from backends.layouts import convert
from conformance.agreement import Z
from conformance.cases import AnyCase
from conformance.check import apply_training_dialect
from conformance.draw import draw
from conformance.truth import truth
from evidence.reproducer.data import data, places
from evidence.reproducer.described import Describer, classes, narrowed
from evidence.reproducer.frameworks import FRAMEWORKS, WAYS
from evidence.reproducer.source.facts import Facts, defined
from evidence.reproducer.source.inline import Inliner
from evidence.reproducer.source.modules import Definition
from evidence.reproducer.subject import Subject
from evidence.reproducer.words import described, sizes
from reference.networks.layers import Decoder, Recurrent

WIDTH = 96
"""Characters in a line of prose."""

EQUATIONS = Definition("evidence.reproducer.equations", "equations")
OWN_NAMES = ("given", "lengths", "incoming", "words", "targets", "target_lengths", "batches", "bounds",
             "unpack", "inputs", "dialect", "expected", "got", "result", "name", "error", "wrong", "heads",
             "bound", "limit", "e", "g", "dtype", "difference", "ratio", "inexact", "sigma", "rms", "worst",
             "figures", "place", "sys")  # fmt: skip
"""Global variables of a script, which no definition may hide."""


def script(case: AnyCase, backend: str, device: str = "cpu") -> str:
    """Write a script that shows what ``backend`` makes of ``case``.

    Args:
        case: The case.
        backend: A name in ``backends.BACKENDS``.
        device: ``cpu``, ``cuda`` or ``cuda:N``.

    Returns:
        The source of the script.

    Raises:
        Unsupported: The backend's dialect cannot run the case.
    """
    entry = BACKENDS[backend]
    inputs = apply_training_dialect(draw(case), entry.dialect)
    kind = kind_of(device)
    if why := refusal(entry.dialect, inputs, kind):
        raise Unsupported(why)
    subject = Subject(case.id, truth(inputs), entry.dialect, kind)
    written = data(subject)
    text = (
        _templates()
        .get_template("script.py.j2")
        .render(
            subject=subject,
            backend=backend,
            device=device,
            framework=FRAMEWORKS[entry.extra],
            way=WAYS[backend],
            sizes=sizes(subject),
            title=textwrap.fill(title(subject), WIDTH),
            purpose="\n\n".join(textwrap.fill(p, WIDTH) for p in purpose(subject, backend)),
            data=written,
            packed="unpack(" in written,
            **inlined(subject, backend, packed="unpack(" in written),
        )
    )
    return tidy(text)


def inlined(subject: Subject, backend: str, *, packed: bool) -> dict[str, str]:
    """Take a script's code from the project's own source.

    Args:
        subject: The case on its backend.
        backend: The backend's name.
        packed: Some of the script's arrays are compressed.

    Returns:
        Source by the section of the script that it belongs to.
    """
    inputs = subject.inputs
    dialect = narrowed(subject.dialect, dict.fromkeys(spec.cell for spec in subject.specs))
    names: dict[str, Any] = {
        "backend": backend,
        "precision": inputs.precision,
        "dtype": inputs.dtype,
    }
    if not isinstance(inputs, Inputs | NetworkInputs):
        names["clip"] = inputs.clip
    inliner = Inliner(Facts(inputs, (dialect, *_blocks(subject)), names), OWN_NAMES)
    framework = Definition(f"backends.{BACKENDS[backend].extra}.standalone", "standalone")
    inliner.collect([EQUATIONS, framework])
    made = sorted({*classes(inputs, inliner.attributes), *classes(dialect, inliner.attributes)})
    inliner.collect([*made, EQUATIONS, framework])
    describer = Describer(
        lambda kind: inliner.names[defined(kind)], inliner.attributes, places(subject)
    )
    parts = {
        "descriptions": inliner.source(made),
        "inputs": describer.assigned("inputs", inputs),
        "dialect": describer.assigned("dialect", dialect),
        "equations": inliner.source([EQUATIONS]),
        "adapter": inliner.source([framework]),
        "expected_call": f"{inliner.names[EQUATIONS]}(inputs)",
        "framework_call": inliner.names[framework],
    }
    its = FRAMEWORKS[BACKENDS[backend].extra]
    standard = ("sys", *its.modules, *(("base64", "zlib") if packed else ()))
    return parts | {"imports": inliner.imports(standard, its.before)}


def _blocks(subject: Subject) -> list[Any]:
    """Every layer's and direction's parameters as the framework stores them."""
    params = subject.inputs.params
    if isinstance(subject.inputs, Inputs):
        trees: list[Any] = [params]
    else:
        layers = zip(subject.inputs.network, params, strict=True)
        trees = [p for layer, p in layers if isinstance(layer, Recurrent | Decoder)]
    found: list[Any] = []
    for spec, tree in zip(subject.specs, trees, strict=True):
        for layer in getattr(tree, "rnn", tree):
            for weights in layer:
                found += convert(spec, subject.dialect.cells[spec.cell], weights)
    return found


def title(subject: Subject) -> str:
    """Say what is run, in a line.

    Args:
        subject: The case on its backend.

    Returns:
        The first line of the script's docstring.
    """
    run = {Inputs: "", NetworkInputs: "a network with ", TrainingInputs: "training of "}
    nets = " and ".join(described(spec) for spec in subject.specs)
    inputs = subject.inputs
    back = isinstance(inputs, NetworkInputs) or (
        isinstance(inputs, Inputs) and inputs.incoming is not None
    )
    text = f"{run[type(inputs)]}{nets} in {inputs.named_dtype}{', with gradients' if back else ''}"
    return text[0].upper() + text[1:]


def purpose(subject: Subject, backend: str) -> list[str]:
    """Say what the script does and needs.

    Args:
        subject: The case on its backend.
        backend: The backend's name.

    Returns:
        Paragraphs of the script's docstring.
    """
    framework, way = FRAMEWORKS[BACKENDS[backend].extra], WAYS[backend]
    return [
        f"{framework.title} runs it, {way}, and so do equations in NumPy, in float64, on the same "
        "numbers. For every result this prints the element that is furthest off, beside its bound: "
        f"{Z:g} standard deviations of what rounding in {subject.arithmetic} does to that element, and "
        "its own last rounding.",
        f"Needs NumPy 2 and {framework.needs}; no other file, and nothing of rnnspec, whose case this is "
        f"on {backend}. The equations and the calls are those of rnnspec, an executable specification of "
        "recurrent networks, without what this case does not need.",
    ]


def tidy(text: str) -> str:
    """Remove trailing spaces, and empty lines beyond two in a row.

    Args:
        text: The source of a script.

    Returns:
        The tidy source.
    """
    lines: list[str] = []
    for line in map(str.rstrip, text.splitlines()):
        if line or lines[-2:] != ["", ""]:
            lines.append(line)
    return "\n".join(lines).strip("\n") + "\n"


@cache
def _templates() -> Environment:
    """Python is no HTML, so nothing is escaped: what goes in is code of ours and words of our own tables."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
