"""Write the records of rounds to run files and the corpus, show progress, and decide the exit code."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from conformance.open_backend import now
from evidence.fuzz.corpus import add_to_corpus
from records.exit_codes import ExitCode
from records.runs import RunWriter
from records.schema import Footer, FuzzRecord


class ResultWriter:
    """A writer of records as they come.

    Args:
        writers: the writer of each backend's run file.
        before: the records of a resumed run.
        corpus: the file of the corpus.

    """

    def __init__(
        self, writers: dict[str, RunWriter], before: Sequence[FuzzRecord], corpus: Path
    ) -> None:
        self.writers = writers
        self.corpus = corpus
        self.records = list(before)
        self.written = {(record.backend, record.round) for record in before}

    def write_all(self, rounds: Iterable[list[FuzzRecord]], minutes: float) -> ExitCode:
        """Write the records of all rounds and finish the run files. Ctrl-C leaves the files unfinished.

        Args:
            rounds: the records of each round.
            minutes: the planned duration, for the progress bar.

        Returns:
            The exit code.

        """
        started, resumed = time.monotonic(), sum(r.checks for r in self.records)
        columns = (
            TextColumn("fuzzing"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[so_far]}"),
        )
        try:
            with Progress(*columns, console=Console(stderr=True)) as progress:
                bar = progress.add_task("", total=60 * minutes, so_far="")
                for records in rounds:
                    for record in records:
                        if (record.backend, record.round) not in self.written:
                            self._write(record)
                    seconds = time.monotonic() - started
                    checks = sum(r.checks for r in self.records) - resumed
                    so_far = f"{summarise(self.records)}, {checks / seconds:.0f} per second"
                    progress.update(bar, completed=seconds, so_far=so_far)
        except KeyboardInterrupt:
            print("interrupted; continue this run with --resume", file=sys.stderr)
            return ExitCode.HARNESS_ERROR
        return self._finish(time.monotonic() - started)

    def _write(self, record: FuzzRecord) -> None:
        self.writers[record.backend].write(record)
        self.records.append(record)
        add_to_corpus(self.corpus, record.backend, [r.case for r in record.found])

    def _finish(self, seconds: float) -> ExitCode:
        worst = ExitCode.CLEAN
        for name, writer in self.writers.items():
            own_records = [r for r in self.records if r.backend == name]
            code = ExitCode.CONFORMANCE_FAILURE if any(r.alarms for r in own_records) else (
                ExitCode.CLEAN if own_records else ExitCode.NOT_ENOUGH_DATA)  # fmt: skip
            worst = worst or code
            writer.close(Footer(ended_at=now(), counts={}, measurements=0, selected=0, deselected=0,
                                stale_known=[], exit_code=code, rounds=len(own_records)))  # fmt: skip
            spent: Counter[str] = Counter()
            for record in own_records:
                spent.update(record.seconds)
            print(f"{name}: {summarise(own_records)}; "
                  + ", ".join(f"{s:.0f} s {what}" for what, s in spent.items()))  # fmt: skip
            for found in (found for r in own_records for found in r.found):
                print(f"✗ {found.outcome}: {found.reason}\n{found.card}\n  {found.repeat}")
            print(f"wrote {writer.path}")
        print(f"{seconds:.0f} s")
        return worst


def summarise(records: Sequence[FuzzRecord]) -> str:
    """Return a sentence with the number of checks, by outcome, and the largest margin.

    Args:
        records: the records of rounds.

    Returns:
        The sentence.

    """
    outcomes: Counter[str] = Counter()
    for record in records:
        outcomes.update(record.outcomes)
    known = sum(sum(record.known.values()) for record in records)
    alarms = sum(record.alarms for record in records)
    margin = max((r.margin for r in records if r.margin is not None), default=0.0)
    by_outcome = ", ".join(f"{n:,} {what}" for what, n in sorted(outcomes.items()))
    return (f"{sum(outcomes.values()):,} checks: {by_outcome} ({known:,} known), {alarms} alarms, "
            f"largest margin {margin:.3f}")  # fmt: skip
