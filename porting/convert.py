"""``rnnspec convert SOURCE TARGET``: a recurrent network from one framework's file to another's, with a proof.

Says whether the conversion is lossless, lossy (and what is lost) or impossible (and why); then has both frameworks run
their files on the same inputs, and shows how far each is from the specification. A file that does not hold is not kept.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from backends import Inputs
from backends.dtypes import PRECISION
from conformance.truth import truth
from conformance.user_network import BadInputs, NetworkFiles, check_arrays, make_inputs, read_arrays
from formats import (
    FORMATS,
    BadModel,
    Format,
    FormatNotFound,
    find_format,
    format_module,
    load,
)
from formats.assemble import StoredCell
from formats.model import Model, shortened
from porting.verdict import (
    CheckedFile,
    Conversion,
    Impossible,
    Proof,
    convert_model,
    drop_empty_rows,
    prove,
    random_inputs,
    read_back,
)
from records.exit_codes import ExitCode
from records.options import Parser
from reference import Spec
from reports.terminal import standard_output


def finite(text: str) -> float:
    """A finite number; raises ``ValueError``, which says what was expected."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("a number")
    return value


def true_or_false(text: str) -> bool:
    """Either; raises ``ValueError``, which says so."""
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


FACTS: dict[str, Callable[[str], Any]] = {
    "activation": str,
    "reset": str,
    "direction": str,
    "forget_bias": finite,
    "bias": true_or_false,
    "batch_first": true_or_false,
}
"""The fields of a spec that a file may not hold, and the types of their values."""


class Refused(Exception):
    """What was given cannot be used; the text says what was expected."""


def main(arguments: list[str] | None = None) -> ExitCode:
    """``rnnspec``, whose one command is ``convert``."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parser = Parser("rnnspec", "The executable specification of recurrent neural networks.")
    convert = parser.add_subparsers(dest="command", required=True).add_parser
    sub = _options(convert("convert", prog="rnnspec convert", description=__doc__))
    options = parser.parse_args(arguments)
    try:
        return converted(options)
    except (BadModel, BadInputs, FormatNotFound, Refused, OSError) as why:
        sub.error(str(why))


def _options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    kinds = "; ".join(f"{f.endings[0]}: {f.contents}" for f in FORMATS.values())
    parser.add_argument("source", type=Path, metavar="SOURCE", help=f"what is read; {kinds}")
    parser.add_argument(
        "target", type=Path, metavar="TARGET", help="what is written, of the same kinds"
    )
    parser.add_argument(
        "--from",
        dest="source_format",
        choices=FORMATS,
        help="the source's kind, if not by its ending",
    )
    parser.add_argument(
        "--to",
        dest="target_format",
        choices=FORMATS,
        help="the target's kind, if not by its ending",
    )
    parser.add_argument(
        "--part",
        default="",
        metavar="PREFIX",
        help="of several networks in a file the one whose names start so",
    )
    parser.add_argument("--spec", action="append", default=[], metavar="FIELD=VALUE", type=fact,
                        help=f"what the source does not say: {', '.join(FACTS)}; may be given again")  # fmt: skip
    parser.add_argument("--dtype", choices=tuple(PRECISION), help="round to this type")
    parser.add_argument(
        "--inputs",
        type=Path,
        metavar="FILE",
        help="run both on these: x, and lengths, h0, c0, as .npz (docs/own.md)",
    )
    parser.add_argument("--overwrite", action="store_true", help="where there is a target already")
    return parser


def fact(text: str) -> tuple[str, Any]:
    """A field of a spec and its value; raises ``ArgumentTypeError``."""
    name, equals, value = text.partition("=")
    if name not in FACTS or not equals:
        raise argparse.ArgumentTypeError(
            f"{text!r} given, expected FIELD=VALUE with one of {', '.join(FACTS)}"
        )
    try:
        return name, FACTS[name](value)
    except ValueError as expected:
        raise argparse.ArgumentTypeError(f"{text!r} given, expected {expected}") from expected


def converted(options: argparse.Namespace) -> ExitCode:
    """Read, convert, write, read back, run both, and put the file where it is wanted."""
    source, target = options.source, options.target
    of_source = find_format(source, options.source_format)
    of_target = find_format(target, options.target_format)
    if _there(target) and not options.overwrite:
        raise Refused(f"{target}: is there already; give another name, or --overwrite")
    if not target.parent.is_dir():
        raise Refused(f"{target}: no folder {target.parent}")
    write = format_module(of_target).write
    found = load(of_source, source, dict(options.spec), options.part)
    dtype = options.dtype or found.model.dtype
    say(f"{source} ({of_source.name}): {_words(found.model)}")
    if found.assumed:
        assumed = " ".join(f"{k}={v}" for k, v in found.assumed.items())
        say(f"  assumed, since the file does not say: {assumed} (otherwise --spec)")
    if of_source.unrecorded:
        say(f"  taken to be as by default, since no such file says them: {of_source.unrecorded}")
    if of_source.unrecorded and len(found.layers) > 1:
        say(
            f"  layers, each of which reads the one before: {' → '.join(_layer(row) for row in found.layers)}"
        )
    if found.ignored:
        say(f"  left out, since they are no part of it: {shortened(list(found.ignored))}")
    try:
        written = convert_model(found.model, of_target, dtype)
    except Impossible as why:
        say(f"{of_source.name} → {of_target.name}: impossible: {why}", "bold red")
        return ExitCode.NOT_ENOUGH_DATA
    truths = [truth(_inputs(options, source, model)) for model in (found.model, written.model)]
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".rnnspec-") as folder:
        part = Path(folder) / target.name
        write(part, written.model)
        back = read_back(part, of_target, written)
        ours = CheckedFile(source, of_source, found, truths[0])
        theirs = CheckedFile(part, of_target, back, truths[1])
        proof = prove(ours, theirs, written)
        _show(of_source, of_target, written, proof, random=options.inputs is None)
        if not proof.passes:
            say(f"nothing was written: {proof.source.reason or proof.target.reason}", "bold red")
            return ExitCode.CONFORMANCE_FAILURE
        for file in sorted(Path(folder).iterdir()):  # a checkpoint's index comes after its data
            file.replace(target.parent / file.name)
    how = format_module(of_target).loader(written.model).replace("FILE", repr(str(target)))
    say("\n  ".join([f"wrote {target}; load it with", *how.splitlines()]))
    return ExitCode.CLEAN


def say(text: str, style: str | None = None) -> None:
    """Print words of the user's as they are, in lines that can be copied."""
    standard_output().print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def _layer(row: Sequence[StoredCell]) -> str:
    return " and ".join(stored.place for stored in row)


def _there(target: Path) -> bool:
    return target.exists() or target.with_name(f"{target.name}.index").exists()


def _words(model: Model) -> str:
    default = Spec(cell=model.spec.cell, input_size=1, hidden_size=1)
    said = [
        f"{k}={v}" for k, v in vars(model.spec).items() if k != "cell" and v != getattr(default, k)
    ]
    return f"{model.spec.cell}, {', '.join(said)}, {model.dtype}"


def _inputs(options: argparse.Namespace, source: Path, model: Model) -> Inputs:
    """The user's, or random ones."""
    if options.inputs is None:
        return random_inputs(model)
    arrays = read_arrays(options.inputs)
    check_arrays(str(options.inputs), model.spec, arrays)
    given = make_inputs(
        NetworkFiles(source, options.inputs, gradients=False), model, arrays, model.dtype
    )
    if given.lengths is not None and not given.lengths.any():
        raise BadInputs(
            f"{options.inputs}: lengths: every row has length 0, expected one of 1 at least"
        )
    return drop_empty_rows(given)


def _show(
    source: Format, target: Format, written: Conversion, proof: Proof, *, random: bool
) -> None:
    """The verdict, what is lost, and each framework's margins."""
    colour = {"lossless": "bold green", "lossy": "bold yellow"}[written.verdict]
    say(f"{source.name} → {target.name}: {written.verdict}", colour)
    for loss in written.losses:
        say(f"  {loss}")
    if written.losses:
        say(f"  that moves the outputs by {proof.output_change:.3f} of the bound at most")
    on = "random inputs" if random else "your inputs"
    say(f"|error| / bound on {on}; what rounding explains is at most 1")
    table = Table("tensor", source.name, target.name)
    for name in proof.source.tensors or proof.target.tensors:
        table.add_row(
            name,
            *(
                _margin(v.tensors[name].margin) if name in v.tensors else v.reason
                for v in proof[:2]
            ),
        )
    standard_output().print(table)


def _margin(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
