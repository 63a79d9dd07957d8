"""Messages about a missing framework, package, device, file, module or class, the same wherever one is missing."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from commands.suggest import did_you_mean

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


def missing_class(place: str, given: str, attribute: str, defined: Iterable[str]) -> str:
    """Say that a file or module does not define a backend of this name.

    Args:
        place: the file or module.
        given: what it has under the name, such as ``has no 'Mine'``.
        attribute: the name.
        defined: the backends that it defines.

    Returns:
        The message, with the backends that it defines and the nearest one.

    """
    names = list(defined)
    start = f"{place} {given}; {did_you_mean(attribute, names)}expected "
    if names:
        return f"{start}one of its subclasses of backends.Backend: {', '.join(names)}"
    return f"{start}a subclass of backends.Backend, and it defines none"


def missing_place(place: str, attribute: str) -> str:
    """Say which files or modules could have been meant by one that does not exist.

    Args:
        place: path of a Python file, or name of a module.
        attribute: the name of the class in it.

    Returns:
        The end of a message, with the nearest name and all others next to it; empty where there are none.

    """
    if place.endswith(".py"):
        folder = Path(place).parent
        names = sorted(str(path) for path in folder.glob("*.py"))
        if not folder.is_dir():
            return f"; there is no folder {folder}"
        where = f"{folder.resolve()} has"
    else:
        file = Path(*place.split(".")).with_suffix(".py")
        if file.is_file():
            return f"; did you mean {file}:{attribute}?"
        package, _, _ = place.rpartition(".")
        names, where = _modules_of(package), f"{package} has"
    if not names:
        return ""
    return f"; {did_you_mean(place, names)}{where} {', '.join(names)}"


def _modules_of(package: str) -> list[str]:
    """Return the names of the modules of a package; none if the package itself is missing."""
    try:
        spec = find_spec(package) if package else None
    except ModuleNotFoundError:
        return []
    folders = (spec.submodule_search_locations if spec else None) or []
    return [f"{package}.{found.name}" for found in pkgutil.iter_modules(folders)]
