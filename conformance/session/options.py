"""The options that conformance and benchmarks share, and the backends that they open."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

import pytest

from backends import BACKENDS, EXTRAS, BackendNotFound, DeviceNotFound, find
from backends.adapter import kind_of
from commands.options import add_to_pytest
from conformance.open_backend import OpenBackend


def add_options(add: Callable[..., None]) -> None:
    """Add --backend, --framework, --device and --out to pytest's options.

    Args:
        add: the method ``addoption`` of a group of pytest's options.

    """
    add_to_pytest(add, "--backend", choices=tuple(BACKENDS), closed=False)
    add_to_pytest(add, "--framework", choices=EXTRAS)
    add_to_pytest(add, "--device")
    add_to_pytest(add, "--out")


def backend_names(given: Iterable[str], framework: str | None, device: str) -> list[str]:
    """Return the backends that --backend and --framework name, each once.

    Args:
        given: the values of --backend.
        framework: the value of --framework.
        device: the value of --device.

    Returns:
        The names, in order; of a framework's backends, those that run on the device.

    """
    of_framework = [name for name, entry in BACKENDS.items()
                    if entry.extra == framework and kind_of(device) in entry.devices]  # fmt: skip
    return list(dict.fromkeys([*given, *of_framework]))


def _requested_backends(config: pytest.Config) -> list[str]:
    """Return the backends that the options name; raise ``pytest.UsageError`` if there is none."""
    names = backend_names(
        config.getoption("--backend"), config.getoption("--framework"), config.getoption("--device")
    )
    if not names:
        raise pytest.UsageError(
            f"--backend: none given, expected one of {', '.join(BACKENDS)}; or --framework with "
            f"one of {', '.join(EXTRAS)}"
        )
    return names


def open_backends(config: pytest.Config, *, everything: bool = True) -> list[OpenBackend]:
    """Open every backend that the options name.

    Args:
        config: the session's options.
        everything: also run the cases that a backend leaves out by default.

    Returns:
        The open backends.

    Raises:
        UsageError: no backend is named, or a backend, its framework or the device is missing.

    """
    device, names = config.getoption("--device"), _requested_backends(config)
    try:
        backends = [
            OpenBackend(name, device, find(name)(device),
                   BACKENDS[name].left_out if name in BACKENDS and not everything else ())
            for name in names
        ]  # fmt: skip
        for backend in backends:
            _ = backend.version  # refuse a wrong package name now
    except (BackendNotFound, DeviceNotFound, metadata.PackageNotFoundError) as error:
        raise pytest.UsageError(str(error)) from error
    return backends


def runs_folder(config: pytest.Config) -> Path:
    """Return the folder for run files.

    Args:
        config: the session's options.

    Returns:
        The folder.

    """
    out: Path = config.getoption("--out")
    return out / "runs"


def asks_for_help(config: pytest.Config) -> bool:
    """Return True if the session only prints help or the version.

    Args:
        config: the session's options.

    Returns:
        True if it runs nothing.

    """
    return bool(config.option.help or config.option.version)
