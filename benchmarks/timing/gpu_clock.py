"""The clock of a GPU while a row is timed, as nvidia-smi reports it."""

from __future__ import annotations

import subprocess

from records.schema import Gpu

QUERY = "clocks.sm,clocks.max.sm,clocks_throttle_reasons.active,temperature.gpu,power.draw"

REASONS = {
    0x2: "application clocks",
    0x4: "power",
    0x8: "hardware",
    0x10: "sync boost",
    0x20: "temperature",
    0x40: "temperature, by hardware",
    0x80: "power brake",
    0x100: "display clocks",
}
"""Reasons for a reduced clock, by their bits in NVML (nvml.h); bit 1 means that the GPU is idle."""


def read_state(number: int) -> Gpu | None:
    """Read the state of a GPU, right after it has worked.

    Args:
        number: the GPU's number.

    Returns:
        The state, or None if nvidia-smi cannot tell.
    """
    command = [
        "nvidia-smi",
        f"--id={number}",
        f"--query-gpu={QUERY}",
        "--format=csv,noheader,nounits",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_line(done.stdout)


def parse_line(line: str) -> Gpu | None:
    """Parse a line of nvidia-smi.

    Args:
        line: the values of ``QUERY``, separated by commas.

    Returns:
        The state, or None for a line of another form.
    """
    parts = [part.strip() for part in line.split(",")]
    if len(parts) != len(QUERY.split(",")):
        return None
    clock, most, reasons, degrees, watts = map(_number, parts)
    held = None if reasons is None else [why for bit, why in REASONS.items() if int(reasons) & bit]
    return Gpu(clock_mhz=clock, most_clock_mhz=most, held_by=held, degrees=degrees, watts=watts)


def _number(text: str) -> float | None:
    """Parse a decimal or hexadecimal number; return None for anything else, such as ``[N/A]``."""
    try:
        return float(int(text, 16)) if text.startswith("0x") else float(text)
    except ValueError:
        return None
