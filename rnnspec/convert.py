"""``rnnspec convert``: a recurrent network from one framework's file to another's, with a proof."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from backends import Inputs
from backends.dtypes import PRECISION
from commands.command_line import Refused, argument, command, option, refusing
from commands.options import existing_path
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
from reference import Spec
from reports.terminal import standard_output


def _finite(text: str) -> float:
    """Read a finite number; raise ``ValueError``, which says what was expected."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("a number")
    return value


def _true_or_false(text: str) -> bool:
    """Read either; raise ``ValueError``, which says so."""
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


FACTS: dict[str, Callable[[str], Any]] = {
    "activation": str,
    "reset": str,
    "direction": str,
    "forget_bias": _finite,
    "bias": _true_or_false,
    "batch_first": _true_or_false,
}
"""The fields of a spec that a file may not hold, and the types of their values."""


ENDINGS = ", ".join(f"{f.endings[0]} ({f.name})" for f in FORMATS.values())


def fact(text: str) -> tuple[str, Any]:
    """Read a fact about a network.

    Args:
        text: as given on the command line.

    Returns:
        A field of a spec and its value.

    Raises:
        ValueError: no such field, or no such value; the message says what was expected.

    """
    name, equals, value = text.partition("=")
    if name not in FACTS or not equals:
        raise ValueError(f"FIELD=VALUE with one of {', '.join(FACTS)}")
    return name, FACTS[name](value)


@command(
    "convert",
    examples=(
        "rnnspec convert model.ckpt-1000 tagger.pt --inputs batch.npz",
        "rnnspec convert tagger.pt tagger.onnx --spec batch_first=true",
    ),
)
@argument("source", f"the file to read; {ENDINGS}", existing_path)
@argument("target", "the file to write, of one of these formats", Path)
@option("--inputs")
@option("--from", choices=tuple(FORMATS))
@option("--part")
@option("--spec", choices=tuple(FACTS), closed=False, type=fact)
@option("--dtype", choices=tuple(PRECISION), repeats=False)
@option("--to", choices=tuple(FORMATS))
@option("--overwrite")
def convert(source: Path, target: Path, **given: Any) -> ExitCode:
    """Convert a network's file from one framework to another, with a proof.

    Says whether the conversion is lossless, lossy (and what is lost) or impossible (and why). Then both frameworks run
    their files on the same inputs, random ones without --inputs, and a table shows how far each is from the
    specification. If that fails, no file is written. TARGET has the number type --dtype, or that of SOURCE.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with refusing(BadModel, BadInputs, FormatNotFound, OSError):
        return _converted(source, target, **given)


def _converted(source: Path, target: Path, **given: Any) -> ExitCode:
    """Read, convert, write, read back, run both, and put the file where it is wanted."""
    of_source = find_format(source, given["from"])
    of_target = find_format(target, given["to"])
    if _there(target) and not given["overwrite"]:
        raise Refused(f"{target}: exists already; give another name, or --overwrite")
    if not target.parent.is_dir():
        raise Refused(f"{target}: there is no folder {target.parent}; make it first")
    write = format_module(of_target).write
    found = load(of_source, source, dict(given["spec"]), given["part"])
    dtype = given["dtype"] or found.model.dtype
    _say(f"{source} ({of_source.name}): {_words(found.model)}")
    if found.assumed:
        assumed = " ".join(f"{k}={v}" for k, v in found.assumed.items())
        _say(f"  assumed, because the file does not state it: {assumed} (change it with --spec)")
    if "batch_first" in found.assumed:
        _say(
            "  so x in --inputs is (batch, time, input); --spec batch_first=false if it is (time, batch, input)"
        )
    if of_source.unrecorded:
        _say(
            f"  default settings assumed, because such files do not store them: {of_source.unrecorded}"
        )
    if of_source.unrecorded and len(found.layers) > 1:
        _say(f"  order of the layers: {' → '.join(_layer(row) for row in found.layers)}")
    if found.ignored:
        _say(
            f"  ignored, because they are not part of the network: {shortened(list(found.ignored))}"
        )
    try:
        written = convert_model(found.model, of_target, dtype)
    except Impossible as why:
        _say(f"{of_source.name} → {of_target.name}: impossible: {why}", "bold red")
        return ExitCode.NOT_ENOUGH_DATA
    truths = [
        truth(_inputs(given["inputs"], source, model)) for model in (found.model, written.model)
    ]
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".rnnspec-") as folder:
        part = Path(folder) / target.name
        write(part, written.model)
        back = read_back(part, of_target, written)
        ours = CheckedFile(source, of_source, found, truths[0])
        theirs = CheckedFile(part, of_target, back, truths[1])
        proof = prove(ours, theirs, written)
        _show(of_source, of_target, written, proof, random=given["inputs"] is None)
        if not proof.passes:
            _say(f"nothing was written: {proof.source.reason or proof.target.reason}", "bold red")
            return ExitCode.CONFORMANCE_FAILURE
        for file in sorted(Path(folder).iterdir()):  # a checkpoint's index comes after its data
            file.replace(target.parent / file.name)
    how = format_module(of_target).loader(written.model).replace("FILE", repr(str(target)))
    _say("\n  ".join([f"wrote {target}; load it with", *how.splitlines()]))
    return ExitCode.CLEAN


def _say(text: str, style: str | None = None) -> None:
    """Print words of the user's as they are, in lines that can be copied."""
    standard_output().print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def _layer(row: Sequence[StoredCell]) -> str:
    return " and ".join(stored.place for stored in row)


def _there(target: Path) -> bool:
    return target.exists() or target.with_name(f"{target.name}.index").exists()


def _words(model: Model) -> str:
    default = Spec(cell=model.spec.cell, input_size=1, hidden_size=1)
    said = [
        f"{k}={v}"
        for k, v in vars(model.spec).items()
        if k == "batch_first" or (k != "cell" and v != getattr(default, k))
    ]
    return f"{model.spec.cell}, {', '.join(said)}, {model.dtype}"


def _inputs(path: Path | None, source: Path, model: Model) -> Inputs:
    """The user's, or random ones."""
    if path is None:
        return random_inputs(model)
    arrays = read_arrays(path)
    other = str(not model.spec.batch_first).lower()
    check_arrays(str(path), model.spec, arrays, f"add --spec batch_first={other}")
    given = make_inputs(NetworkFiles(source, path, gradients=False), model, arrays, model.dtype)
    if given.lengths is not None and not given.lengths.any():
        raise BadInputs(f"{path}: lengths: every row has length 0, expected one of 1 at least")
    return drop_empty_rows(given)


def _show(
    source: Format, target: Format, written: Conversion, proof: Proof, *, random: bool
) -> None:
    """The verdict, what is lost, and each framework's margins."""
    colour = {"lossless": "bold green", "lossy": "bold yellow"}[written.verdict]
    _say(f"{source.name} → {target.name}: {written.verdict}", colour)
    for loss in written.losses:
        _say(f"  {loss}")
    if written.losses:
        _say(f"  effect on the outputs: at most {proof.output_change:.3f} of the bound")
    on = "random inputs" if random else "your inputs"
    _say(f"|error| / bound on {on}; up to 1 is explained by rounding")
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
