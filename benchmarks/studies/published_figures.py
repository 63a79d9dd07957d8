"""``python -m benchmarks.studies.published_figures``: write GPU timings and others' published figures into docs/gpu.md.

The published figures are for orientation only: they come from other machines and libraries, and omit the input matmul,
which DeepBench does not time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from backends.adapter import kind_of
from commands.command_line import Refused, command, option, refusing, start
from records.exit_codes import ExitCode
from records.runs import read_folder
from records.text import number, replace_between, write_atomically
from records.timing import Timing
from reports.matrix import build_matrix

BEGIN, END = "<!-- rows: python -m benchmarks.studies.published_figures -->", "<!-- end of rows -->"


class _Published(NamedTuple):
    """A figure that others have published."""

    workload: str
    dtype: str
    mode: str
    by: str
    milliseconds: float


_V100, _TITAN, _1080 = "V100, cuDNN 7.6", "Titan Xp, cuDNN", "GTX 1080"
PUBLISHED = (
    _Published("deepbench/lstm-512-16-25", "float32", "forward", _V100, 1.10),
    _Published("deepbench/lstm-512-16-25", "float16", "forward", _V100, 0.44),
    _Published("deepbench/lstm-256-16-150", "float32", "forward", _V100, 4.54),
    _Published("deepbench/lstm-256-16-150", "float16", "forward", _V100, 4.07),
    _Published("deepbench/lstm-256-1-150", "float32", "forward", _TITAN, 1.994),
    _Published("deepbench/lstm-1024-128-25", "float32", "forward", _V100, 3.25),
    _Published("deepbench/lstm-1024-128-25", "float16", "forward", _V100, 1.63),
    _Published("deepbench/lstm-4096-128-25", "float32", "forward", _V100, 31.2),
    _Published("deepbench/lstm-4096-128-25", "float16", "forward", _V100, 6.64),
    _Published("deepbench/vanilla-1760-16-50", "float32", "forward", _V100, 4.20),
    _Published("deepbench/vanilla-1760-16-50", "float16", "forward", _V100, 2.96),
    _Published("deepbench/vanilla-2560-128-50", "float32", "forward", _V100, 7.77),
    _Published("deepbench/vanilla-2560-128-50", "float16", "forward", _V100, 4.92),
    _Published("deepbench/gru-512-32-1", "float32", "forward", _V100, 0.088),
    _Published("deepbench/gru-512-32-1", "float16", "forward", _V100, 0.089),
    _Published("deepbench/gru-2816-32-1500", "float32", "forward", _V100, 223),
    _Published("deepbench/gru-2816-32-1500", "float16", "forward", _V100, 180),
    _Published("braun/1x320-short", "float32", "training", f"{_1080}, PyTorch on cuDNN", 11),
    _Published("braun/1x320-short", "float32", "training", f"{_1080}, dynamic_rnn", 47),
    _Published("braun/1x320-long", "float32", "training", f"{_1080}, PyTorch on cuDNN", 80),
    _Published("braun/1x320-long", "float32", "training", f"{_1080}, dynamic_rnn", 483),
    _Published("braun/4x320-bi", "float32", "training", f"{_1080}, PyTorch on cuDNN", 534),
    _Published("braun/4x320-bi", "float32", "training", f"{_1080}, dynamic_rnn", 3689),
)
"""Baidu's DeepBench as NVIDIA ran it, and S. Braun, arXiv:1806.01818."""


@command("python -m benchmarks.studies.published_figures")
@option("--runs")
@option("--page", default=Path("docs/gpu.md"))
def main(runs: Path, page: Path) -> ExitCode:
    """Write the table of GPU timings next to the figures that others published."""
    found, bad = read_folder(runs)
    if bad:
        raise Refused(f"--runs: {runs}: cannot read {', '.join(map(str, bad))}")
    timed = [t for t in build_matrix(found).timings if kind_of(t.first.device) == "cuda"]
    if not timed:
        raise Refused(f"--runs: {runs}: nothing was timed on cuda; expected run files of `rnnspec bench "
                      "--device cuda`")  # fmt: skip
    with refusing(OSError, ValueError):
        text = page.read_text("utf-8")
        write_atomically(page, replace_between(text, BEGIN, END, "\n".join(table(timed))))
    print(f"wrote {page}")
    return ExitCode.CLEAN


def table(timed: Sequence[Timing]) -> Iterator[str]:
    """Yield a Markdown table of our figures, then of others' figures for the same rows.

    Args:
        timed: our rows.

    Yields:
        Lines.
    """
    yield "\n| workload | dtype | mode | by | ms | 95 % | µs a step | TFLOP/s | % of limit | bound by | MHz |"
    yield "|---|---|---|---|---:|---|---:|---:|---:|---|---|"
    for t in timed:
        m = t.first
        head = f"| `{m.workload}` | {m.dtype} | {m.mode} | `{m.backend}`"
        if t.refused:
            yield f"{head} | no speed: {t.refused.outcome} | | | | | | |"
            continue
        low, high = t.seconds.interval or (None, None)
        within = (
            "–" if low is None or high is None else f"{number(low * 1e3)} to {number(high * 1e3)}"
        )
        step = t.step_seconds
        clock = number(t.clock_mhz) + (
            f", held by {', '.join(t.clock_limits)}" if t.clock_limits else ""
        )
        yield (f"{head} | {number(t.seconds.value * 1e3)} | {within} | {number(step * 1e6 if step else None)} "
               f"| {number(t.flops_per_second / 1e12)} | {number(100 * t.limit_share.value if t.limit_share else None)} "
               f"| {t.binds} | {clock} |")  # fmt: skip
    rows = {(t.first.workload, t.first.dtype, t.first.mode) for t in timed}
    for p in PUBLISHED:
        if (p.workload, p.dtype, p.mode) in rows:
            yield f"| `{p.workload}` | {p.dtype} | {p.mode} | {p.by} | {number(p.milliseconds)} | | | | | | |"


if __name__ == "__main__":
    start(main)
