"""Old ``python -m …`` commands, and the commands that replaced them."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from records.exit_codes import ExitCode

MOVED: Mapping[str, str] = {
    "benchmarks.beside": "rnnspec compare --backends A B",
    "benchmarks.compare": "rnnspec compare BASE HEAD",
    "benchmarks.experiment": "python -m benchmarks.studies.false_alarms",
    "benchmarks.history": "python -m benchmarks.studies.report_scale",
    "benchmarks.memory": "python -m benchmarks.studies.peak_memory",
    "benchmarks.orientation": "python -m benchmarks.studies.published_figures",
    "benchmarks.overhead": "python -m benchmarks.studies.adapter_overhead",
    "benchmarks.peers": "python -m benchmarks.studies.libraries",
    "benchmarks.publish": "python -m benchmarks.studies.noise_tables",
    "conformance.calibration": "python -m evidence.calibration",
    "conformance.covering": "python -m evidence.covering",
    "conformance.fleet.campaign": "python -m evidence.fuzz.campaign",
    "conformance.fuzz": "rnnspec fuzz",
    "conformance.mutants": "rnnspec mutants",
    "conformance.redraw": "python -m evidence.redraw",
    "conformance.reproduce": "rnnspec reproduce",
    "reports.lighthouse": "python -m reports.browser.lighthouse",
    "reports.pictures": "python -m reports.throughput_picture",
    "reports.screenshots": "python -m reports.browser.screenshots",
}


def stop_if_moved() -> None:
    """End a process that was started by an old command, with a line that names the new one.

    The packages that the old modules were in call this: ``python -m package.module`` imports the package first.

    Raises:
        SystemExit: this process is ``python -m`` with an old name.

    """
    words = sys.orig_argv
    asked = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
    if asked in MOVED:
        print(f"error: python -m {asked}: replaced; run: {MOVED[asked]}", file=sys.stderr)
        sys.exit(ExitCode.HARNESS_ERROR)
