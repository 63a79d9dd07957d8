"""The lines of a run file, and their JSON Schema.

A run file is one ``Header``, then one ``CaseRecord``, ``Measurement``, ``MutantRecord`` or ``FuzzRecord``
per line, then one ``Footer``. JSON has no NaN and no infinity: such a value is ``null``, and ``reason``
says which it was. Frequent record types contain no reference cycles and skip the garbage collector
(``gc=False``).
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

SCHEMA_VERSION = 1
"""Increased when a field changes its meaning or is removed; a new optional field does not increase it."""

Outcome: TypeAlias = Literal["agrees", "differs", "inconclusive", "unsupported", "errored"]
OUTCOMES: tuple[Outcome, ...] = ("agrees", "differs", "inconclusive", "unsupported", "errored")
"""Every outcome of a case."""


Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
"""A count, or a number of bytes."""
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
"""A duration in seconds, at most thirty years."""
Sample: TypeAlias = Annotated[float, msgspec.Meta(ge=1e-9, le=1e9)]
"""A call's wall time in seconds; no clock resolves less than a nanosecond."""

FrontEnd: TypeAlias = Literal["conformance", "fuzz", "mutants", "benchmarks", ""]
"""The command that wrote a run; empty in old runs."""


class Environment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machine and software of a run."""

    cpu: str
    cores: Count
    memory_bytes: Count
    gpu: str | None
    driver: str | None
    os: str
    python: str
    packages: dict[str, str]
    """Version of every installed framework and numerical package."""
    threads: dict[str, Count]
    """Threads of every loaded BLAS and OpenMP pool."""
    flags: dict[str, str]
    """Environment variables that change arithmetic, threads or compilation."""

    @property
    def machine(self) -> str:
        """Cores, CPU and GPU: the part of the environment that new software does not change."""
        return f"{self.cores} × {self.cpu}" + (f", {self.gpu}" if self.gpu else "")


INDIVIDUAL = ("fuzz/", "own/")
"""Beginnings of the ids of cases outside every selection: finds of fuzzing, and users' own networks. A backend has
such a case because someone asked for it, so it never counts as not run for the others."""


class Header(
    msgspec.Struct, frozen=True, tag_field="kind", tag="header", forbid_unknown_fields=True
):
    """The first line: which backend ran, on which device, where and when."""

    schema_version: int
    run_id: str
    started_at: str
    """UTC, ISO 8601."""
    suite_version: str
    suite_commit: str | None
    backend: str
    backend_version: str
    """The framework and its version."""
    device: str
    command: str
    environment: Environment
    fingerprint: str
    """Twelve hexadecimal digits of the environment's hash; a new fingerprint starts a new baseline."""
    settings: dict[str, str]
    """Settings that the adapter made, above all the precision."""
    framework_defaults: dict[str, str]
    """The framework's own defaults of the same settings."""
    left_out: list[str] = []
    """Patterns of the cases that another backend of the same framework covers."""
    source: str = ""
    """Twelve hexadecimal digits of a hash of the suite's and the adapter's source files."""
    front_end: FrontEnd = ""
    """The command that wrote the run; empty in old runs."""
    workers: dict[str, Environment] = {}
    """Fleet runs: environments of the workers at the start, by fingerprint."""


class TensorResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One output tensor (y, h_n or c_n) compared with the truth."""

    margin: float | None
    """max |error| / bound; a margin ≤ 1 agrees."""
    max_error: float | None
    """max |error| / σ̂."""
    rms_error: float | None
    """RMS of error / σ̂; a value ≤ ``rms_limit`` agrees."""
    rms_limit: float
    """χ² quantile for as many independent errors as the tensor has elements, and at least RMS_FLOOR."""
    mean_error: float | None
    """Signed mean of error / σ̂; a value far from 0 means that the arithmetic is biased."""
    bound_to_signal: float
    """z · RMS σ̂ / RMS |y|: the size of the bound relative to the result."""


class Element(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One element of a tensor: the worst one, or the first that failed."""

    tensor: str
    index: list[int]
    got: float | None
    expected: float | None
    sigma: float | None
    bound: float | None


class CaseRecord(
    msgspec.Struct,
    frozen=True,
    tag_field="kind",
    tag="conformance",
    forbid_unknown_fields=True,
    gc=False,
):
    """One case on one backend and device: the outcome, and the evidence for it."""

    case: str
    case_version: str
    """Twelve hexadecimal digits of a hash of the case's spec and arrays."""
    backend: str
    device: str
    dtype: str
    outcome: Outcome
    reason: str
    """Empty if the case agrees; the option if it is unsupported; the error text if it errored."""
    known: str | None
    """The reason from known.toml, if an entry covers this difference."""
    arithmetic: str
    """The arithmetic that the backend declares, from which the bound follows."""
    fingerprint: str | None
    """The tightest arithmetic that the result agrees with; None if there is none."""
    ran: str
    """The framework call that ran."""
    margin: float | None
    tensors: dict[str, TensorResult]
    worst: Element | None
    card: str
    """The failure card, as printed; empty if nothing failed."""
    seconds: dict[str, Seconds]
    """Seconds by phase: reference (truth and radius) and first_call (including compilation)."""
    repeat: str
    """A command that runs this case again."""
    worker: str = ""
    """Fleet runs: the worker that ran the case and its environment, ``name@fingerprint``."""


class Conditions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Load of the machine while a row was timed."""

    load_average: float | None
    """Load average of the last minute, at the start."""
    steal: float | None
    """Share of CPU time that the host gave to other guests."""
    involuntary_switches: int | None
    """Number of times that the process was preempted."""


class Gpu(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """State of the GPU right after the last sample of a row; None for a value that it does not report."""

    clock_mhz: float | None
    """Clock of the multiprocessors."""
    most_clock_mhz: float | None
    """Highest clock that the multiprocessors allow."""
    held_by: list[str] | None
    """Reasons why the clock was below its highest value."""
    degrees: float | None
    """Temperature in degrees Celsius."""
    watts: float | None
    """Power draw in watts."""


class Measurement(
    msgspec.Struct,
    frozen=True,
    tag_field="kind",
    tag="measurement",
    forbid_unknown_fields=True,
    gc=False,
):
    """One workload timed in one process on one backend and device.

    A row is all processes with the same workload, mode and thread count. If one of them does not agree with
    the specification, the row has no speed.
    """

    workload: str
    workload_version: str
    backend: str
    device: str
    dtype: str
    mode: str
    """forward, or training: forward and all gradients."""
    outcome: Outcome
    reason: str
    margin: float | None
    fingerprint: str | None
    ran: str
    first_call_seconds: Seconds | None
    """Wall time of the first call, including tracing and compilation."""
    seconds: list[Sample]
    """Every steady-state sample in the order taken; empty unless the outcome is agrees."""
    min_seconds: float | None
    median_seconds: float | None
    iqr_seconds: float | None
    flops: Count
    """Floating-point operations of all matmuls of one call."""
    repeat: str
    threads: Count | None = None
    """Number of cores that the process was allowed to use."""
    process: Count = 0
    """Index of the process among the fresh processes that timed the row."""
    limit_seconds: list[Sample] = []
    """Wall times of the limit's matmuls alone: before every sample, and after the last one."""
    load_seconds: Seconds | None = None
    """Time before the first call: building the module or graph, moving parameters and data to the device."""
    tracing_seconds: Seconds | None = None
    """Tracing time within loading and the first call; None if the framework does not report it."""
    compiling_seconds: Seconds | None = None
    """Compilation time within loading and the first call; None if the framework does not report it."""
    processor_seconds: list[Seconds] = []
    """CPU time of the process during each sample; only for pairs pinned to one core."""
    binds: str = ""
    """The bottleneck that takes most of the limit's time."""
    deepbench_flops: Count = 0
    """Floating-point operations as DeepBench counts them: forward, without the input matmul."""
    transcendentals: Count = 0
    """Calls of tanh, σ and similar functions in the forward pass; not included in ``flops``."""
    weight_bytes: Count = 0
    """Size of the recurrent weights, which every time step reads again."""
    peak_memory_bytes: Count | None = None
    """Peak memory of the process while the row was loaded, run and timed."""
    checked: str = ""
    """Which part of the timed result was checked against the specification."""
    conditions: Conditions | None = None
    steps: Count = 0
    """Time steps of one call; 0 in old files."""
    device_seconds: list[Sample] = []
    """Further samples by the device's own clock; empty if it has none."""
    gpu: Gpu | None = None

    @property
    def row(self) -> tuple[str, str, str, str, str, int | None]:
        """Workload, dtype, backend, device, mode and threads: what all processes of a row share."""
        return self.workload, self.dtype, self.backend, self.device, self.mode, self.threads

    @property
    def has_speed(self) -> bool:
        """True if the workload agreed and was timed."""
        return self.outcome == "agrees" and bool(self.seconds)


class MutantRecord(
    msgspec.Struct, frozen=True, tag_field="kind", tag="mutant", forbid_unknown_fields=True
):
    """One mutant (a specification with one deliberate mistake) and the cases that catch it."""

    mutant: str
    """Id: the cell or part, the group, and the mistake in words."""
    group: str
    cell: str
    """The cell whose networks have the mistake; empty if all cells have it."""
    place: str
    """The edited function."""
    old: str
    new: str
    equivalent: str
    """Why no case can distinguish the mutant from the specification; empty if some case can."""
    meant_for: str
    """The kind of case that should catch the mutant."""
    meant: Count
    """How many cases of ``caught_by`` are of that kind."""
    caught_by: list[str]
    elsewhere: dict[str, bool]
    """For other rules and other test suites, by name: True if they catch the mutant."""
    worker: str = ""
    """Fleet runs: the worker that ran the mutant and its environment, ``name@fingerprint``."""

    @property
    def is_right(self) -> bool:
        """True if the result is as expected: caught by its kind of case, or, if equivalent, by none."""
        return not self.caught_by if self.equivalent else self.meant > 0


class FuzzRecord(
    msgspec.Struct, frozen=True, tag_field="kind", tag="fuzz", forbid_unknown_fields=True
):
    """One round of fuzzing on one backend and device: many random cases of one structure."""

    seed: int
    """Seed of the whole run; seed and ``round`` determine every case."""
    round: int
    """Number of the round; round 0 repeats the finds of earlier runs."""
    backend: str
    device: str
    dtype: str
    structure: str
    """The part of the case id that all cases of the round share; empty in round 0."""
    outcomes: dict[Outcome, Count]
    known: dict[str, Count]
    """Differences that known.toml explains, by reason."""
    margin: float | None
    """Largest margin of the cases that agree."""
    found: list[CaseRecord]
    """Unexplained failures, each shrunk to a minimal case."""
    others: list[str]
    """Further unexplained failures, as they were drawn."""
    seconds: dict[str, Seconds]
    """Seconds by phase: reference (truths and radii) and backend (runs and comparison)."""
    worker: str = ""
    """Fleet runs: the worker that ran the round and its environment, ``name@fingerprint``."""
    refused: dict[str, Count] = {}
    """Unsupported checks, by the option that was refused; empty in old runs."""
    alarm_margin: float | None = None
    """Largest finite margin of the unexplained failures, as they were drawn; None in old runs."""

    @property
    def checks(self) -> int:
        """Number of cases checked."""
        return sum(self.outcomes.values())

    @property
    def alarms(self) -> int:
        """Number of unexplained failures."""
        return len(self.found) + len(self.others)

    @property
    def largest_margin(self) -> float | None:
        """Largest margin of all checks and of the shrunk failures, without known differences.

        It is infinite if a shrunk failure differs without a finite margin, and None if no check has a margin.
        """
        shrunk = (
            math.inf if one.margin is None else one.margin
            for one in self.found
            if one.outcome == "differs"
        )
        drawn = (m for m in (self.margin, self.alarm_margin) if m is not None)
        return max((*drawn, *shrunk), default=None)


class Footer(
    msgspec.Struct, frozen=True, tag_field="kind", tag="footer", forbid_unknown_fields=True
):
    """The last line; a file without a footer was interrupted and never counts as a pass."""

    ended_at: str
    counts: dict[Outcome, Count]
    """Number of case records by outcome."""
    measurements: Count
    selected: Count
    """Number of selected cases; fewer records mean that the run stopped early."""
    deselected: Count
    """Number of cases that options left out; 0 for a full run."""
    stale_known: list[str]
    """Entries of known.toml that matched nothing."""
    exit_code: int
    mutants: Count = 0
    rounds: Count = 0
    """Number of fuzzing rounds."""


Record: TypeAlias = CaseRecord | Measurement | MutantRecord | FuzzRecord
Line: TypeAlias = Header | CaseRecord | Measurement | MutantRecord | FuzzRecord | Footer

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def encode(line: Line) -> bytes:
    """Encode one line of a run file.

    Args:
        line: the line.

    Returns:
        JSON without a newline.

    """
    return _encoder.encode(line)


def decode(text: bytes) -> Line:
    """Decode one line of a run file.

    Args:
        text: the line as JSON.

    Returns:
        The line.

    Raises:
        msgspec.ValidationError: if the line violates the schema.
        msgspec.DecodeError: if the line is not JSON.

    """
    return _decoder.decode(text)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one line of a run file, as published in records/record.schema.json.

    Returns:
        The schema.

    """
    schema = msgspec.json.schema(Line)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
