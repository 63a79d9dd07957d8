"""``python -m evidence.calibration``: measure the evidence for z, the limit of the RMS, K_ACT and K.

Compares correct implementations, and wrong arithmetic under a correct label, with the radius over the
families, and writes calibration.json and the tables in calibration.md. The figures of other implementations
stay, so that environments may be run one by one.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backends import BACKENDS, EXTRAS, BackendNotFound, DeviceNotFound, find
from backends.adapter import kind_of
from commands.command_line import command, option, refusing, start
from conformance.agreement import RMS_FLOOR, Z
from conformance.open_backend import now
from conformance.session.options import backend_names
from conformance.truth import source_version
from evidence.calibration.constants import measure_elementary, measure_k_act, measure_samples
from evidence.calibration.implementations import NUMPY, Implementation
from evidence.calibration.margins import CONSOLE, Figures
from evidence.calibration.measurements import (
    measure_families,
    measure_mistakes,
    measure_small_tensors,
)
from evidence.calibration.storage import DOCS, read_record, split_page, write_record
from records.environment import environment
from records.exit_codes import ExitCode
from reference.rounding import K_ACT

KNOWN = (*NUMPY, *BACKENDS)


class _OpenImplementation(NamedTuple):
    """An implementation that can run."""

    name: str
    version: str
    device: str
    run: Implementation


@command(
    "python -m evidence.calibration", examples=("python -m evidence.calibration --framework jax",)
)
@option("--backend", choices=KNOWN, closed=False)
@option("--framework", choices=EXTRAS)
@option("--device")
@option("--draws")
@option("--seed")
@option("--docs", default=DOCS)
def main(
    backend: tuple[str, ...], framework: str | None, device: str, draws: int, seed: int, docs: Path
) -> ExitCode:
    """Measure the evidence for the constants of the bound, and write its tables.

    Runs every implementation that is installed, or those given; the figures of the others stay, so that
    environments may be run one by one.
    """
    with refusing(BackendNotFound, DeviceNotFound, ValueError):
        split_page(docs)
        ready = implementations(backend_names(backend, framework, device), device)
    record = read_record(docs)
    for implementation in ready:
        found = record["implementations"]
        found[implementation.name] = measure(implementation, draws, seed)
        record["implementations"] = {n: found[n] for n in (*KNOWN, *found) if n in found}
        if implementation.name == "reference":
            record |= {"wrong": measure_mistakes(seed), "samples": measure_samples(seed)}
        write_record(record, docs)
    return ExitCode.CLEAN


def implementations(names: list[str], device: str) -> list[_OpenImplementation]:
    """Open the implementations with these names.

    Args:
        names: the names; empty means all that are installed.
        device: the device of the backends.

    Returns:
        The open implementations.

    Raises:
        BackendNotFound: a backend that was named is not installed.
        DeviceNotFound: the device is missing.

    """
    found = []
    here = [name for name in KNOWN if name in NUMPY or kind_of(device) in BACKENDS[name].devices]
    for name in names or here:
        if name in NUMPY:
            found.append(_OpenImplementation(name, f"NumPy {np.__version__}", "cpu", NUMPY[name]))
            continue
        try:
            adapter = find(name)(device)
        except BackendNotFound as why:
            if names:
                raise
            CONSOLE.print(f"skipped: {why}")
            continue
        versions = ", ".join(f"{p} {metadata.version(p)}" for p in adapter.packages)
        found.append(_OpenImplementation(name, versions, device, adapter.run))
    return found


def measure(implementation: _OpenImplementation, draws: int, seed: int) -> Figures:
    """Measure all figures of one implementation.

    Args:
        implementation: the implementation.
        draws: the number of draws of each family and dtype.
        seed: the seed of the first draw.

    Returns:
        The figures.

    """
    name, version, device, run = implementation
    machine = environment()
    return {
        "version": version,
        "device": device,
        "numpy": np.__version__,
        "python": machine.python,
        "cpu": machine.cpu,
        "reference": source_version(),
        "constants": f"{Z:g}, {RMS_FLOOR:g}, {K_ACT:g}",
        "draws": draws,
        "seed": seed,
        "started_at": now(),
        **measure_families(run, draws, seed, name),
        "k_act": measure_k_act(run, seed, name),
        "elementary": {} if name == "simulated" else measure_elementary(run),
        "small": measure_small_tensors(run, seed, name),
    }


if __name__ == "__main__":
    start(main)
