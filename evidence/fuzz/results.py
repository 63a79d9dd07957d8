"""Write the records of rounds to run files and the corpus, show progress, and decide the exit code."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from backends import BACKENDS
from backends.dialects import NARROWING
from conformance.open_backend import now
from evidence.fuzz.corpus import add_to_corpus
from records.exit_codes import ExitCode
from records.runs import RunWriter
from records.schema import CaseRecord, Footer, FuzzRecord
from records.text import count, number


class ResultWriter:
    """A writer of records as they come.

    Args:
        writers: the writer of each backend's run file.
        before: the records of a resumed run.
        corpora: the file that each backend's finds are added to.

    """

    def __init__(
        self,
        writers: dict[str, RunWriter],
        before: Sequence[FuzzRecord],
        corpora: Mapping[str, Path],
    ) -> None:
        self.writers = writers
        self.corpora = corpora
        self.added: Counter[str] = Counter()
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
            for name in self.writers:
                print(self._describe_corpus(name), file=sys.stderr)
            return ExitCode.HARNESS_ERROR
        return self._finish(time.monotonic() - started)

    def _write(self, record: FuzzRecord) -> None:
        self.writers[record.backend].write(record)
        self.records.append(record)
        self.added[record.backend] += add_to_corpus(
            self.corpora[record.backend], record.backend, [r.case for r in record.found]
        )

    def _describe_corpus(self, backend: str) -> str:
        """Return a sentence with the number of finds that were added, and the file."""
        path, count = self.corpora[backend], self.added[backend]
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        if not count:
            return f"no new finds were added to {shown}"
        return f"added {count} new finds to {shown}; later runs of {backend} check them first"

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
            print(f"{name}: {summarise(own_records)}")
            if spent:
                shares = ", ".join(f"{s:.0f} s {what}" for what, s in spent.items())
                print(f"time, summed over all processes: {shares}")
            if name not in BACKENDS and (hint := _hint_to_narrow(own_records)):
                print(hint)
            _print_finds([found for r in own_records for found in r.found])
            if others := sum(len(r.others) for r in own_records):
                print(f"{others:,} more alarms were not shrunk; the run file has their ids")
            print(self._describe_corpus(name))
            print(f"wrote {writer.path}")
        print(f"{seconds:.0f} s wall time")
        return worst


def _hint_to_narrow(records: Sequence[FuzzRecord]) -> str:
    """Return a sentence on the options that a backend refused; empty if it refused none."""
    refused: Counter[str] = Counter()
    for record in records:
        refused.update(record.refused)
    if not refused:
        return ""
    named = ", ".join(f"{option} ({n:,})" for option, n in refused.most_common())
    hint = (f"{count(refused.total(), 'unsupported check')} drawn; the backend refused these options: {named}")  # fmt: skip
    if arguments := [NARROWING[option] for option in refused if option in NARROWING]:
        hint += (f"; narrow the dialect with .only({', '.join(f'{a}=[…]' for a in arguments)}), and fuzzing draws only "
                 "what runs (docs/adding-a-backend.md)")  # fmt: skip
    if others := [option for option in refused if option not in NARROWING]:
        hint += f"; .only has no argument for {', '.join(others)}"
    return hint


def _print_finds(found: Sequence[CaseRecord]) -> None:
    """Print the card of every find once; finds with the same traceback share one."""
    alike: dict[tuple[str, ...], dict[str, CaseRecord]] = {}
    times = Counter(record.case for record in found)
    for record in found:
        alike.setdefault(_kind_of_failure(record), {}).setdefault(record.case, record)
    for cases in alike.values():
        first, *more = cases.values()
        card = first.card or f"{first.outcome}: {first.case}\n  {first.reason}"
        print(f"✗ {card.rstrip()}")
        if first.repeat not in first.card:
            print(f"  {first.repeat}")
        if times[first.case] > 1:
            print(f"  found {times[first.case]} times")
        if more:
            print(
                f"  {count(len(more), 'more case')} in the same place: {more[0].case}"
                + ", …" * (len(more) > 1)
            )


def _kind_of_failure(record: CaseRecord) -> tuple[str, ...]:
    """Return what equal failures share: an error's class and the frames of its traceback; else the case."""
    lines = [line for line in record.card.splitlines() if line.lstrip().startswith(("File ", "… "))]
    if record.outcome != "errored" or not lines:
        return (record.case,)
    return (record.reason.partition(":")[0], *lines)


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
    margin = max((m for r in records if (m := r.largest_margin) is not None), default=None)
    by_outcome = ", ".join(f"{n:,} {what}" for what, n in sorted(outcomes.items()))
    return (f"{sum(outcomes.values()):,} checks: {by_outcome} ({known:,} known), {count(alarms, 'alarm')}, "
            f"largest margin {number(margin)}")  # fmt: skip
