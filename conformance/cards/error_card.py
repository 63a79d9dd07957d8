"""Write the card of a case that errored: the case, its repeat command, and the user's part of the traceback."""

from __future__ import annotations

import inspect
import sysconfig
import traceback
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from traceback import FrameSummary, StackSummary, TracebackException

from backends import Backend
from conformance.open_backend import ROOT
from records.text import count, one_line

SUITE = ("reference", "records", "commands", "backends", "formats", "conformance", "reports", "fleet",
         "evidence", "porting", "benchmarks", "rnnspec")  # fmt: skip
"""The suite's own packages."""

LIBRARIES = [Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")]
PYTHON = Path(sysconfig.get_path("stdlib"))


def error_card(case: str, reason: str, dtype: str, repeat: str, details: str) -> str:
    """Return the text of the card of a case that errored.

    Args:
        case: the id of the case.
        reason: the error.
        dtype: the dtype of the case.
        repeat: the command that runs the case again.
        details: the traceback, or the last words of a process that died; may be empty.

    Returns:
        The text, in several lines.

    """
    lines = [f"errored: {case}", f"  {one_line(reason, 400)}"]
    lines += [f"  {label:16} {text}" for label, text in {"dtype": dtype, "repeat": repeat}.items()]
    return "\n".join([*lines, *([details.rstrip()] if details else [])])


def own_traceback(error: BaseException, adapter: Backend) -> str:
    """Return an exception's traceback without the frames of the suite, of libraries and of Python.

    Args:
        error: the exception.
        adapter: the backend's adapter. Frames in its folder are the user's own, wherever it is.

    Returns:
        The traceback. A line with a count stands for frames that are cut.

    """
    source = inspect.getsourcefile(type(adapter))
    folder = Path(source).resolve().parent if source else None
    found = TracebackException.from_exception(error)
    for part in _chain(found):
        part.stack = _OwnFrames.of(part.stack, folder)
    return "".join(found.format())


def _chain(error: TracebackException | None) -> Iterator[TracebackException]:
    """Yield an exception, those that led to it, and those in its group."""
    if error is None:
        return
    yield error
    for other in (error.__cause__, error.__context__, *(error.exceptions or ())):
        yield from _chain(other)


class _OwnFrames(StackSummary):
    """A stack whose frames outside the user's code are counted."""

    folder: Path | None

    @classmethod
    def of(cls, stack: StackSummary, folder: Path | None) -> StackSummary:
        """Return a stack with the same frames."""
        made = cls(stack)
        made.folder = folder
        return made

    def format(self, **_: object) -> list[str]:
        lines = []
        for owner, frames in groupby(self, key=lambda frame: _owner(frame, self.folder)):
            alike = list(frames)
            if owner:
                lines.append(f"  … {count(len(alike), 'frame')} of {owner}\n")
            else:
                lines += traceback.format_list(alike)
        return lines


def _owner(frame: FrameSummary, folder: Path | None) -> str:
    """Return the name of the package that a frame belongs to; empty if it is the user's own."""
    if frame.filename.startswith("<frozen"):
        return "Python"
    path = Path(frame.filename).resolve()
    in_suite = next((ROOT / name for name in SUITE if path.is_relative_to(ROOT / name)), None)
    if folder and path.is_relative_to(folder) and (not in_suite or folder.is_relative_to(in_suite)):
        return ""
    if in_suite:
        return "rnnspec"
    for place in LIBRARIES:
        if path.is_relative_to(place):
            return path.relative_to(place).parts[0]
    return "Python" if path.is_relative_to(PYTHON) else ""
