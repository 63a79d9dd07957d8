"""Records: what a run file holds, line by line, and the JSON Schema of it.

A run file is one ``Header``, then a ``CaseRecord``, ``Measurement``, ``MutantRecord`` or ``FuzzRecord`` a
line, then one ``Footer``.
JSON has no NaN and no infinity: such a figure is ``null``, and ``reason`` says what it was. Records of which
there are many have no cycles, and need no garbage collector (``gc=False``).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

SCHEMA_VERSION = 1
"""Raised when a field changes its meaning or goes away; a new optional field does not raise it."""

Outcome: TypeAlias = Literal["agrees", "differs", "inconclusive", "unsupported", "errored"]
OUTCOMES: tuple[Outcome, ...] = ("agrees", "differs", "inconclusive", "unsupported", "errored")


Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
"""What can be counted, bytes as well."""
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
"""Nobody waits for thirty years."""
Sample: TypeAlias = Annotated[float, msgspec.Meta(ge=1e-9, le=1e9)]
"""Seconds of a call: no clock tells less than a nanosecond."""

FrontEnd: TypeAlias = Literal["conformance", "fuzz", "mutants", "benchmarks", ""]


class Environment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machine and software that a run was seen on."""

    cpu: str
    cores: Count
    memory_bytes: Count
    gpu: str | None
    driver: str | None
    os: str
    python: str
    packages: dict[str, str]
    """Version of every framework and numerical package that is installed."""
    threads: dict[str, Count]
    """Threads of every BLAS and OpenMP pool that was loaded."""
    flags: dict[str, str]
    """Environment variables that change arithmetic, threads or compilation."""

    @property
    def machine(self) -> str:
        """What its runs have alike whatever is installed."""
        return f"{self.cores} × {self.cpu}" + (f", {self.gpu}" if self.gpu else "")


class Header(
    msgspec.Struct, frozen=True, tag_field="kind", tag="header", forbid_unknown_fields=True
):
    """The first line: what ran, where, when."""

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
    """Twelve hexadecimal digits of the environment's hash: a new one starts a new baseline."""
    settings: dict[str, str]
    """What the adapter set, precision first of all."""
    framework_defaults: dict[str, str]
    """What the same settings are when nobody sets them."""
    left_out: list[str] = []
    """Patterns of cases that another way of running the same framework covers."""
    source: str = ""
    """Twelve hexadecimal digits of the hash of the suite's and the adapter's own files."""
    front_end: FrontEnd = ""
    """What wrote the run; empty in runs from before it was written down."""
    workers: dict[str, Environment] = {}
    """Of a fleet: the environments of its workers at the start, by their fingerprints."""


class TensorResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One output tensor (y, h_n or c_n) against the truth."""

    margin: float | None
    """max |error| / bound; at most 1 agrees."""
    max_error: float | None
    """max |error| / σ̂."""
    rms_error: float | None
    """RMS of error / σ̂; at most ``rms_limit`` agrees."""
    rms_limit: float
    """The χ² quantile for as many independent errors as the tensor holds, and at least RMS_FLOOR."""
    mean_error: float | None
    """Signed mean of error / σ̂: far from 0, the arithmetic is biased."""
    bound_to_signal: float
    """z · RMS σ̂ / RMS |y|: how much the bound leaves undecided."""


class Element(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One element of one tensor: the worst, or the first that failed."""

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
    """Twelve hexadecimal digits of the hash of the case's spec and arrays."""
    backend: str
    device: str
    dtype: str
    outcome: Outcome
    reason: str
    """Empty for agrees; the option for unsupported; the error's text for errored."""
    known: str | None
    """The reason given in known.toml, where an entry covers this difference."""
    arithmetic: str
    """The arithmetic that the backend declares and is held to."""
    fingerprint: str | None
    """The tightest arithmetic that the result agrees with; None where none does."""
    ran: str
    """The framework's own call that was run."""
    margin: float | None
    tensors: dict[str, TensorResult]
    worst: Element | None
    card: str
    """The failure card, as printed; empty where nothing failed."""
    seconds: dict[str, Seconds]
    """Where the time went: reference (truth and radius), first_call (compilation included)."""
    repeat: str
    """One command that runs this case again."""
    worker: str = ""
    """Of a fleet: whose it was, and the fingerprint of its environment, ``name@fingerprint``."""


class Conditions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What else went on while one row was timed."""

    load_average: float | None
    """Of the last minute, at the start."""
    steal: float | None
    """Share of all processors' time that the host gave to others."""
    involuntary_switches: int | None
    """How often the process was made to give its core away."""


class Gpu(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a GPU told of itself right after a row's last sample; None where it does not tell."""

    clock_mhz: float | None
    """Of its multiprocessors."""
    most_clock_mhz: float | None
    """That they may have."""
    held_by: list[str] | None
    """What held the clock down."""
    degrees: float | None
    """Celsius."""
    watts: float | None


class Measurement(
    msgspec.Struct,
    frozen=True,
    tag_field="kind",
    tag="measurement",
    forbid_unknown_fields=True,
    gc=False,
):
    """One workload timed in one process on one backend and device.

    A row is what all processes of one workload, mode and number of threads have measured; where one
    of them does not agree, the row has no speed.
    """

    workload: str
    workload_version: str
    backend: str
    device: str
    dtype: str
    mode: str
    """forward, or training: forward, and all gradients."""
    outcome: Outcome
    reason: str
    margin: float | None
    fingerprint: str | None
    ran: str
    first_call_seconds: Seconds | None
    """The first call; what is made late, tracing and compilation, is in it."""
    seconds: list[Sample]
    """Every steady-state sample, in the order taken; empty where the outcome is not agrees."""
    min_seconds: float | None
    median_seconds: float | None
    iqr_seconds: float | None
    flops: Count
    """Floating-point operations of all matrix products of one call."""
    repeat: str
    threads: Count | None = None
    """How many processors the process had."""
    process: Count = 0
    """Which of the fresh processes that timed the row."""
    limit_seconds: list[Sample] = []
    """The limit's matrix products alone: before every sample, and after the last one."""
    load_seconds: Seconds | None = None
    """Before it: the module or graph made, parameters and data moved to the device."""
    tracing_seconds: Seconds | None = None
    """Of loading and the first call, as the framework tells it; None where it does not."""
    compiling_seconds: Seconds | None = None
    """The same."""
    processor_seconds: list[Seconds] = []
    """Of every sample, how long its process had the processor; of pairs on one processor alone."""
    binds: str = ""
    """What the limit is made of, for the most part."""
    deepbench_flops: Count = 0
    """As DeepBench counts: forward, without the input's product."""
    transcendentals: Count = 0
    """Calls of tanh, σ and the like, forward; they are not in ``flops``."""
    weight_bytes: Count = 0
    """Of the recurrent weights, which every step reads again."""
    peak_memory_bytes: Count | None = None
    """The most that the process held while the row was loaded, run and timed."""
    checked: str = ""
    """What of the timed result was held to the specification."""
    conditions: Conditions | None = None
    steps: Count = 0
    """Time steps of one call; 0 in files of before they were written."""
    device_seconds: list[Sample] = []
    """Further samples by the device's own clock; none where it has none to read."""
    gpu: Gpu | None = None

    @property
    def row(self) -> tuple[str, str, str, str, str, int | None]:
        """What all processes of a row have alike."""
        return self.workload, self.dtype, self.backend, self.device, self.mode, self.threads

    @property
    def has_speed(self) -> bool:
        """Whether it was timed, and agreed."""
        return self.outcome == "agrees" and bool(self.seconds)


class MutantRecord(
    msgspec.Struct, frozen=True, tag_field="kind", tag="mutant", forbid_unknown_fields=True
):
    """One wrong specification, made by an edit, and the cases that catch it."""

    mutant: str
    """Its id: the cell or the part, the group, the mistake in words."""
    group: str
    cell: str
    """The cell whose networks have the mistake; empty where all have."""
    place: str
    """The function that was edited."""
    old: str
    new: str
    equivalent: str
    """Why no case can tell it from the specification; empty where one can."""
    meant_for: str
    """The kind of case that is meant to catch it."""
    meant: Count
    """How many of ``caught_by`` are of that kind."""
    caught_by: list[str]
    elsewhere: dict[str, bool]
    """Whether other rules and other suites catch it, by name."""
    worker: str = ""
    """Of a fleet: whose it was, and the fingerprint of its environment, ``name@fingerprint``."""

    @property
    def is_right(self) -> bool:
        """Caught by the kind that is meant to; or, where it is equivalent, by none."""
        return not self.caught_by if self.equivalent else self.meant > 0


class FuzzRecord(
    msgspec.Struct, frozen=True, tag_field="kind", tag="fuzz", forbid_unknown_fields=True
):
    """One round of fuzzing on one backend and device: many cases of one structure."""

    seed: int
    """Of the whole run; with ``round`` it gives every case."""
    round: int
    """0 are the finds of earlier runs."""
    backend: str
    device: str
    dtype: str
    structure: str
    """A case with what all of the round have alike; empty of round 0."""
    outcomes: dict[Outcome, Count]
    known: dict[str, Count]
    """Of those that differ, how many known.toml explains, by its reasons."""
    margin: float | None
    """The largest of the cases that agree."""
    found: list[CaseRecord]
    """Other cases that differ or errored, each made as small as it still does."""
    others: list[str]
    """Further such cases, as they were drawn."""
    seconds: dict[str, Seconds]
    """reference (truths and radii) and backend (runs and comparison)."""
    worker: str = ""
    """Of a fleet: whose it was, and the fingerprint of its environment, ``name@fingerprint``."""

    @property
    def checks(self) -> int:
        """How many cases were checked."""
        return sum(self.outcomes.values())

    @property
    def alarms(self) -> int:
        """How many finds nothing explains."""
        return len(self.found) + len(self.others)


class Footer(
    msgspec.Struct, frozen=True, tag_field="kind", tag="footer", forbid_unknown_fields=True
):
    """The last line; a file without one was interrupted, and is never a pass."""

    ended_at: str
    counts: dict[Outcome, Count]
    """Case records by outcome."""
    measurements: Count
    selected: Count
    """Cases that were selected; fewer records than that means the run stopped early."""
    deselected: Count
    """Cases of the whole set that options left out; 0 for a whole run."""
    stale_known: list[str]
    """Entries of known.toml that matched nothing."""
    exit_code: int
    mutants: Count = 0
    rounds: Count = 0
    """Of fuzzing."""


Record: TypeAlias = CaseRecord | Measurement | MutantRecord | FuzzRecord
Line: TypeAlias = Header | CaseRecord | Measurement | MutantRecord | FuzzRecord | Footer

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def encode(line: Line) -> bytes:
    """One line of a run file, without its newline."""
    return _encoder.encode(line)


def decode(text: bytes) -> Line:
    """The line that ``text`` encodes; raises ``msgspec.ValidationError`` or ``DecodeError``."""
    return _decoder.decode(text)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one line of a run file; published in docs/record.schema.json."""
    schema = msgspec.json.schema(Line)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
