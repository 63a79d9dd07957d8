"""Messages about a missing framework, package or device, the same wherever one is missing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

IN_CHECKOUT = (Path(__file__).parents[1] / "pyproject.toml").is_file()


def missing_extra(subject: str, error: ModuleNotFoundError, extra: str) -> str:
    """Say that the packages of an extra are not installed.

    Args:
        subject: what needs them, such as ``backend 'pytorch'``.
        error: names the missing module.
        extra: the optional dependency that brings it.

    Returns:
        The message, with the command that installs it.

    """
    here = f"-e '.[{extra}]' -c constraints.txt" if IN_CHECKOUT else f"'rnnspec[{extra}]'"
    return f"{subject}: {error}; install it with: pip install {here}"


def missing_packages(subject: str, error: ModuleNotFoundError, packages: Iterable[str]) -> str:
    """Say that some packages are not installed.

    Args:
        subject: what needs them, such as ``format onnx``.
        error: names the missing module.
        packages: their names.

    Returns:
        The message, with the command that installs them.

    """
    limits = " -c constraints.txt" if IN_CHECKOUT else ""
    return f"{subject}: {error}; install it with: pip install {' '.join(packages)}{limits}"


def missing_device(device: str, framework: str, found: Iterable[str]) -> str:
    """Say that a framework has no such device.

    Args:
        device: as it was given.
        framework: its name and version.
        found: the devices that it has.

    Returns:
        The message.

    """
    return f"device {device!r}: {framework} found {list(found)}; expected one of these"
