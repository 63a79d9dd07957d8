"""``python -m benchmarks.studies.peak_memory COMMAND …``: peak memory of a command and all its processes.

The figure is the largest sum of proportional set sizes (shared pages counted once), looked at every
half second; Linux only. The exit code is the command's.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path


def tree(pid: int) -> list[int]:
    """``pid`` and all its descendants that are still there."""
    try:
        lists = [p.read_text() for p in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # it ended meanwhile
        return []
    return [pid, *(found for text in lists for child in text.split() for found in tree(int(child)))]


def kibibytes(pid: int) -> int:
    """Proportional set size of one process; 0 where it ended meanwhile."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def main(command: list[str]) -> int:
    """Run ``command``, print its peak, and return its exit code."""
    if not command or not Path("/proc/self/smaps_rollup").exists():
        print("expected a command to run, on Linux", file=sys.stderr)
        return 3
    process, peak = subprocess.Popen(command), 0
    while process.poll() is None:
        peak = max(peak, sum(kibibytes(pid) for pid in tree(process.pid)))
        time.sleep(0.5)
    print(f"peak memory: {peak / 2**20:.2f} GiB")
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
