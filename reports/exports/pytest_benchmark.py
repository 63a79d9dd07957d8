"""Export pytest-benchmark's JSON for its comparison tools: one benchmark per row, with all processes' samples.

Times are in seconds. ``extra_info`` holds further facts, such as the row's machine: ``machine_info`` has
room for one machine only, that of the last run.
"""

from __future__ import annotations

import json
from typing import Any

from pytest_benchmark.stats import Stats

from records.text import one_line
from records.timing import Timing
from reports.exports.names import timing_name, with_speed
from reports.matrix import Matrix

VERSION = "5.0.0"
"""Version of pytest-benchmark that defines the format."""


def text(matrix: Matrix) -> str | None:
    """Export all rows that have a speed.

    Args:
        matrix: the matrix.

    Returns:
        JSON; None if no row has a speed.

    """
    rows = with_speed(matrix.timings)
    if not rows:
        return None
    last = max(matrix.timed, key=lambda run: run.started)
    env, commit = last.header.environment, last.header.suite_commit or "unversioned"
    machines = {
        (run.header.backend, run.header.device): run.header.environment.machine
        for run in matrix.timed
    }
    report = {
        "machine_info": {
            "node": "", "processor": one_line(env.cpu), "machine": one_line(env.os),
            "python_implementation": one_line(env.python.partition(" ")[0]),
            "python_version": one_line(env.python.rpartition(" ")[2]),
            "system": one_line(env.os), "release": "", "cpu": {"brand_raw": one_line(env.cpu)},
        },
        "commit_info": {"id": one_line(commit.removesuffix("-dirty")), "dirty": commit.endswith("-dirty"),
                        "project": "rnnspec", "branch": "", "time": last.started.isoformat(),
                        "author_time": last.started.isoformat()},
        "benchmarks": [_benchmark(t, machines[t.first.backend, t.first.device]) for t in rows],
        "datetime": last.started.isoformat(),
        "version": VERSION,
    }  # fmt: skip
    return json.dumps(report, indent=1, allow_nan=False) + "\n"


def _benchmark(t: Timing, machine: str) -> dict[str, Any]:
    m, name = t.first, timing_name(t)
    share = t.limit_share
    return {
        "group": one_line(f"{m.workload} {m.mode}"), "name": name, "fullname": name,
        "params": None, "param": None,
        "extra_info": {"backend": one_line(m.backend), "device": one_line(m.device), "machine": one_line(machine),
                       "processes": len(t.measurements), "interval": t.seconds.interval,
                       "of_limit": share.value if share else None, "margin": m.margin,
                       "repeat": one_line(m.repeat, 600)},
        "options": {"disable_gc": True, "timer": "perf_counter", "min_rounds": 1, "max_time": 0.0,
                    "min_time": 0.0, "warmup": True},
        "stats": _stats([s for one in t.measurements for s in one.seconds]),
    }  # fmt: skip


def _stats(seconds: list[float]) -> dict[str, Any]:
    """Compute pytest-benchmark's statistics over all samples."""
    found = Stats()
    for s in seconds:
        found.update(s)
    return {**found.as_dict(), "iterations": 1, "data": seconds}
