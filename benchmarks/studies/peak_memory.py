"""``python -m benchmarks.studies.peak_memory COMMAND …``: measure the peak memory of a command and all its processes.

The figure is the largest sum of proportional set sizes (shared pages are counted once), sampled every half second.
Linux only. The exit code is the command's.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path


def _process_tree(pid: int) -> list[int]:
    """Return a process and all its living descendants."""
    try:
        lists = [p.read_text() for p in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # the process has ended
        return []
    return [
        pid,
        *(found for text in lists for child in text.split() for found in _process_tree(int(child))),
    ]


def _kibibytes(pid: int) -> int:
    """Return the proportional set size of a process; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def main(command: list[str]) -> int:
    """Run a command and print its peak memory.

    Args:
        command: program and arguments.

    Returns:
        The command's exit code, or 3 if there is none to run or the system is not Linux.
    """
    if not command or not Path("/proc/self/smaps_rollup").exists():
        given = "no command" if not command else "a system without /proc/self/smaps_rollup"
        print(f"{given} given, expected a command to run, on Linux", file=sys.stderr)
        return 3
    process, peak = subprocess.Popen(command), 0
    while process.poll() is None:
        peak = max(peak, sum(_kibibytes(pid) for pid in _process_tree(process.pid)))
        time.sleep(0.5)
    print(f"peak memory: {peak / 2**20:.2f} GiB")
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
