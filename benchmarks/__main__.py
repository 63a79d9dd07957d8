"""``python -m benchmarks``: one process for each backend, one after the other.

Two frameworks in one process slow each other down, because an idle thread pool still holds its
cores. Takes the options in conftest.py and pytest's own; pytest-benchmark's JSON goes beside the
run files.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from backends import EXTRAS
from conformance.options import backend_names
from conformance.session import run_pytest
from reports.exit_codes import ExitCode


def main(arguments: list[str]) -> int:
    """Run every backend asked for; the lowest exit code that is not 0."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--backend", action="append", default=[])
    parser.add_argument("--framework", choices=EXTRAS)
    parser.add_argument("--out", type=Path, default=Path("reports"))
    given, rest = parser.parse_known_args(arguments)
    backends = backend_names(given.backend, given.framework)
    if len(backends) > 1:
        own = [sys.executable, "-m", "benchmarks", "--out", str(given.out), *rest]
        runs = [subprocess.run([*own, "--backend", name], check=False) for name in backends]
        codes = [
            c if (c := run.returncode) in set(ExitCode) else ExitCode.HARNESS_ERROR for run in runs
        ]
        return min((code for code in codes if code), default=ExitCode.CLEAN)
    runs = given.out / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    own = ["-p", "no:xdist", f"--benchmark-json={runs / f'{stamp}-pytest-benchmark.json'}"]
    return run_pytest(Path(__file__).parent, [*own, *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
