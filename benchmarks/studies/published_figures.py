"""``python -m benchmarks.studies.published_figures``: what was timed on a GPU, as a table in docs/gpu.md, beside what others published.

The published figures are for orientation: of other machines and libraries, and without the input's product, which
DeepBench leaves out of what it times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from backends.adapter import kind_of
from records.command_line import Refused, command, option, refusing, start
from records.exit_codes import ExitCode
from records.runs import read_folder
from records.text import number, replace_between, write_atomically
from records.timing import Timing
from reports.matrix import build_matrix

BEGIN, END = "<!-- rows: python -m benchmarks.studies.published_figures -->", "<!-- end of rows -->"


class Published(NamedTuple):
    """One figure that others have printed."""

    workload: str
    dtype: str
    mode: str
    by: str
    milliseconds: float


_V100, _TITAN, _1080 = "V100, cuDNN 7.6", "Titan Xp, cuDNN", "GTX 1080"
PUBLISHED = (
    Published("deepbench/lstm-512-16-25", "float32", "forward", _V100, 1.10),
    Published("deepbench/lstm-512-16-25", "float16", "forward", _V100, 0.44),
    Published("deepbench/lstm-256-16-150", "float32", "forward", _V100, 4.54),
    Published("deepbench/lstm-256-16-150", "float16", "forward", _V100, 4.07),
    Published("deepbench/lstm-256-1-150", "float32", "forward", _TITAN, 1.994),
    Published("deepbench/lstm-1024-128-25", "float32", "forward", _V100, 3.25),
    Published("deepbench/lstm-1024-128-25", "float16", "forward", _V100, 1.63),
    Published("deepbench/lstm-4096-128-25", "float32", "forward", _V100, 31.2),
    Published("deepbench/lstm-4096-128-25", "float16", "forward", _V100, 6.64),
    Published("deepbench/vanilla-1760-16-50", "float32", "forward", _V100, 4.20),
    Published("deepbench/vanilla-1760-16-50", "float16", "forward", _V100, 2.96),
    Published("deepbench/vanilla-2560-128-50", "float32", "forward", _V100, 7.77),
    Published("deepbench/vanilla-2560-128-50", "float16", "forward", _V100, 4.92),
    Published("deepbench/gru-512-32-1", "float32", "forward", _V100, 0.088),
    Published("deepbench/gru-512-32-1", "float16", "forward", _V100, 0.089),
    Published("deepbench/gru-2816-32-1500", "float32", "forward", _V100, 223),
    Published("deepbench/gru-2816-32-1500", "float16", "forward", _V100, 180),
    Published("braun/1x320-short", "float32", "training", f"{_1080}, PyTorch on cuDNN", 11),
    Published("braun/1x320-short", "float32", "training", f"{_1080}, dynamic_rnn", 47),
    Published("braun/1x320-long", "float32", "training", f"{_1080}, PyTorch on cuDNN", 80),
    Published("braun/1x320-long", "float32", "training", f"{_1080}, dynamic_rnn", 483),
    Published("braun/4x320-bi", "float32", "training", f"{_1080}, PyTorch on cuDNN", 534),
    Published("braun/4x320-bi", "float32", "training", f"{_1080}, dynamic_rnn", 3689),
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
    """Markdown: what was timed, then what others published of the same workload, mode and dtype."""
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
