"""The two sides of a comparison: git revisions, or versions of a framework, each with its own environment.

A side is a checkout and a Python. A revision is checked out as a git worktree, and runs its own suite; a version, such
as ``jax==0.9.2``, runs the current checkout's suite. Environments are installed from the side's ``pyproject.toml`` and
``constraints.txt``, kept under ``.cache/compare``, and shared by sides with equal requirements.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

from conformance.cache import CACHE
from conformance.open_backend import ROOT

VERSION = re.compile(r"([A-Za-z0-9._-]+)==[A-Za-z0-9.!+*-]+")
PROTOCOL = Path("benchmarks/timing/alternation.py")
"""The module that lets two processes alternate; both sides must have it."""


class BadSide(Exception):
    """Error: the text given names no side; the message says what was expected."""


class Side(NamedTuple):
    """A side: its name, checkout and Python."""

    name: str
    checkout: Path
    python: Path


def prepare_side(given: str, extra: str | None) -> Side:
    """Prepare a side, and install its environment if there is none yet.

    Args:
        given: a git revision, or a version such as ``jax==0.9.2``.
        extra: the extra of ``pyproject.toml`` that the framework needs, or None.

    Returns:
        The side.

    Raises:
        BadSide: the text is neither a revision nor a version, or the installation failed.
    """
    if VERSION.fullmatch(given):
        return Side(given, ROOT, _environment(ROOT, extra, given))
    checkout = _checkout(given)
    if not (checkout / PROTOCOL).exists():
        raise BadSide(f"{given}: this revision has no {PROTOCOL}, so its processes cannot alternate with "
                      "another side's; expected a later revision")  # fmt: skip
    return Side(given, checkout, _environment(checkout, extra, None))


def _kept() -> Path:
    return (CACHE / "compare").absolute()


def _checkout(revision: str) -> Path:
    """Check out a revision as a worktree of this repository."""
    asked = ["git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    if found.returncode:
        raise BadSide(f"{revision}: neither a git revision of {ROOT.name} nor NAME==VERSION; expected "
                      "one of these, such as HEAD~1 or jax==0.10.2")  # fmt: skip
    commit = found.stdout.strip()
    folder = _kept() / commit[:12]
    if not folder.exists():
        _run(["git", "-C", str(ROOT), "worktree", "prune"])
        _run(["git", "-C", str(ROOT), "worktree", "add", "--detach", str(folder), commit])
    return folder


def _environment(checkout: Path, extra: str | None, pinned: str | None) -> Path:
    """Return the Python of a virtual environment with the checkout's requirements and the pinned version."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))["project"]
    needs = [*project["dependencies"], *project["optional-dependencies"].get(extra, [])]
    limits = (checkout / "constraints.txt").read_text("utf-8").splitlines()
    if pinned:
        needs.append(pinned)
        limits = [line for line in limits if not _same_release(line, pinned)]
    text = "\n".join([sys.version, *needs, "", *limits])
    folder = _kept() / f"environment-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not (folder / "ready").exists():
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        constraints = folder / "constraints.txt"
        constraints.write_text("\n".join(limits) + "\n", "utf-8")
        if needs:
            _run([str(python), "-m", "pip", "install", "-q", *needs, "-c", str(constraints)])
        (folder / "ready").touch()
    return python


def _same_release(line: str, pinned: str) -> bool:
    """Return True if a constraint is for the pinned package, or one released with it (jax, jaxlib)."""
    name = re.split(r"[=<>!~; ]", line, maxsplit=1)[0]
    return name.startswith(pinned.partition("==")[0])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BadSide(f"{' '.join(command[:6])} …: {done.stderr.strip()[-1500:]}")
