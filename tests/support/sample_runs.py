"""Plausible runs of five backends, for the tests of records and pages."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from records.runs import RunWriter
from records.schema import (
    SCHEMA_VERSION,
    CaseRecord,
    Element,
    Environment,
    Footer,
    FuzzRecord,
    Header,
    Measurement,
    MutantRecord,
    Record,
    TensorResult,
)

BACKENDS = (
    ("pytorch", "torch 2.13.0", "cpu"),
    ("pytorch", "torch 2.13.0", "cuda"),
    ("jax-scan", "jax 0.10.2", "cpu"),
    ("tensorflow-function", "tensorflow 2.21.0", "cpu"),
    ("tensorflow-session", "tensorflow 2.21.0", "cpu"),
)
CELLS = ("vanilla-tanh", "vanilla-relu", "gru-after", "gru-before", "lstm", "lstm-forget")
DTYPES = ("float64", "float32", "float16", "bfloat16")
UNIT = {"float64": 2**-53, "float32": 2**-24, "float16": 2**-11, "bfloat16": 2**-8}
AXES = (
    ("1-layer", "2-layer"),
    ("forward", "bidirectional"),
    ("full", "ragged"),
    ("pad-nan", "pad-2^15"),
    ("state", "zero-state"),
    ("bias", "no-bias"),
    ("batch-major", "time-major"),
    ("b4-t8-i5-h6", "b1-t9-i3-h7"),
)


def environment(**changes: Any) -> Environment:
    return replace(
        Environment(
            cpu="AMD EPYC 9654 96-Core Processor",
            cores=16,
            memory_bytes=128 * 2**30,
            gpu=None,
            driver=None,
            os="Linux-6.1-x86_64-with-glibc2.36",
            python="CPython 3.11.7",
            packages={"numpy": "2.4.6", "torch": "2.13.0", "msgspec": "0.22.0"},
            threads={"libscipy_openblas 0.3.31": 16, "libgomp": 16},
            flags={"OMP_NUM_THREADS": "16"},
        ),
        **changes,
    )


def mutant(**changes: Any) -> MutantRecord:
    """One that is right: caught by a case of the kind that is meant to catch it."""
    return replace(
        MutantRecord(
            mutant="lstm/x/y", group="x", cell="lstm", place="reference.cells.lstm", old="a", new="b",
            equivalent="", meant_for="lengths", meant=1, caught_by=["some/case"], elsewhere={"z": True},
        ),
        **changes,
    )  # fmt: skip


def header(**changes: Any) -> Header:
    return replace(
        Header(
            schema_version=SCHEMA_VERSION,
            run_id="a1b2c3",
            started_at="2026-11-21T08:03:38+00:00",
            suite_version="0.1.0",
            suite_commit="0f3c9d2e7b6a5481",
            backend="pytorch",
            backend_version="torch 2.13.0",
            device="cpu",
            command="python -m conformance --backend pytorch --device cpu",
            environment=environment(),
            fingerprint="0123456789ab",
            settings={"float32_matmul_precision": "highest", "cudnn.allow_tf32": "False"},
            framework_defaults={"float32_matmul_precision": "highest", "cudnn.allow_tf32": "True"},
        ),
        **changes,
    )


def case(**changes: Any) -> CaseRecord:
    name = "lstm/2-layer/bidirectional/ragged/pad-nan/state/bias/batch-major/b4-t8-i5-h6/float32"
    name = changes.get("case", name)
    backend, device = changes.get("backend", "pytorch"), changes.get("device", "cpu")
    tensor = TensorResult(0.31, 2.4, 0.61, 1.25, -0.02, 1.3e-6)
    return replace(
        CaseRecord(
            case=name,
            case_version="ba9876543210",
            backend="pytorch",
            device="cpu",
            dtype="float32",
            outcome="agrees",
            reason="",
            known=None,
            arithmetic="float32",
            fingerprint="float32",
            ran="torch.nn.LSTM",
            margin=0.31,
            tensors={"y": tensor, "h_n": tensor, "c_n": tensor},
            worst=Element("y", [3, 7, 11], 0.1234567, 0.1234566, 4.1e-8, 3.3e-7),
            card="",
            seconds={"reference": 0.031, "first_call": 0.004},
            repeat=f"python -m conformance --backend {backend} --device {device} --case {name}",
        ),
        **changes,
    )


def failed(**changes: Any) -> CaseRecord:
    card = (
        "differs: gru-before/1-layer/…/float16\n  y is 6.4 bounds from the truth\n"
        "  worst element    y[3, 7, 11] (batch row 3, step 7, unit 11): got 0.1251, expected 0.1234\n"
        "                   radius 3.2e-05, bound 2.7e-04, margin 6.4\n"
        "  first wrong      step 2 (number 3 of 8)\n"
        "  fingerprint      none: the result agrees with no known arithmetic\n"
    )
    values = {"outcome": "differs", "margin": 6.4, "fingerprint": None, "card": card,
              "reason": "y is 6.4 bounds from the truth"}  # fmt: skip
    return case(**(values | changes))


def measurement(**changes: Any) -> Measurement:
    return replace(
        Measurement(
            workload="lstm-1024",
            workload_version="aa9876543210",
            backend="pytorch",
            device="cpu",
            dtype="float32",
            mode="forward",
            outcome="agrees",
            reason="",
            margin=0.42,
            fingerprint="float32",
            ran="torch.nn.LSTM",
            first_call_seconds=0.21,
            seconds=[0.0121, 0.0118, 0.0119],
            min_seconds=0.0118,
            median_seconds=0.0119,
            iqr_seconds=0.00015,
            flops=4_831_838_208,
            repeat="python -m benchmarks --backend pytorch --workload lstm-1024",
            threads=2,
            limit_seconds=[0.0092, 0.0091, 0.0094, 0.0092],
            binds="steps: arithmetic",
            peak_memory_bytes=412_000_000,
            checked="rows 3, 11 of 16",
        ),
        **changes,
    )


def fuzzed(**changes: Any) -> FuzzRecord:
    return replace(
        FuzzRecord(
            seed=7,
            round=1,
            backend="pytorch",
            device="cpu",
            dtype="float32",
            structure="fuzz/lstm/1-layer/…",
            outcomes={"agrees": 100, "inconclusive": 27, "differs": 1},
            known={"what is known": 1},
            margin=0.41,
            found=[],
            others=[],
            seconds={"reference": 3.0, "backend": 1.0},
        ),
        **changes,
    )


def footer(records: Iterable[Record], **changes: Any) -> Footer:
    kept = list(records)
    cases = [record for record in kept if isinstance(record, CaseRecord)]
    return replace(
        Footer(
            ended_at="2026-11-21T08:04:01+00:00",
            counts=dict(Counter(record.outcome for record in cases)),
            measurements=sum(isinstance(record, Measurement) for record in kept),
            mutants=sum(isinstance(record, MutantRecord) for record in kept),
            rounds=sum(isinstance(record, FuzzRecord) for record in kept),
            selected=len(kept),
            deselected=0,
            stale_known=[],
            exit_code=0,
        ),
        **changes,
    )


def write(folder: Path, head: Header, records: Iterable[Record], **changes: Any) -> Path:
    """A finished run file."""
    kept = list(records)
    with RunWriter(folder, head) as writer:
        for record in kept:
            writer.write(record)
        return writer.close(footer(kept, **changes))


def write_samples(folder: Path, per_backend: int = 1280) -> None:
    """Runs of every backend with about ``per_backend`` cases each, and one that was cut off."""
    for number, (backend, version, device) in enumerate(BACKENDS):
        command = f"python -m conformance --backend {backend} --device {device}"
        gpu = {"gpu": "NVIDIA H200", "driver": "580.65.06"} if device == "cuda" else {}
        head = header(run_id=f"run{number}", backend=backend, backend_version=version,
                      device=device, command=command, environment=environment(**gpu),
                      started_at=f"2026-11-21T08:0{number}:00+00:00")  # fmt: skip
        records: list[Record] = [
            _result(name, dtype, backend, device) for name, dtype in _names(per_backend)
        ]
        if backend == "tensorflow-session":
            with RunWriter(folder, head) as writer:
                for record in records[: len(records) * 2 // 3]:
                    writer.write(record)
            continue
        write(folder, head, [*records, *_timed(backend, device)])
        if backend == "jax-scan":
            find = failed(case="fuzz/gru-before/1-layer/…", backend=backend)
            rounds = [fuzzed(backend=backend), fuzzed(backend=backend, round=2, found=[find])]
            fuzzing = replace(head, run_id="fuzzed", command="python -m evidence.fuzz")
            write(folder, fuzzing, rounds)


def _names(total: int) -> list[tuple[str, str]]:
    drawn = random.Random(7)
    options = list(product(CELLS, *AXES))
    chosen = sorted(drawn.sample(options, total // 4 - 11), key=lambda row: CELLS.index(row[0]))
    names = [f"{'gradients/' * (n % 6 == 5)}{'/'.join(row)}" for n, row in enumerate(chosen)]
    names += [f"tutorial/{n:03}-{name}" for n, name in enumerate(
        ("one-step", "unrolled", "hand-unrolled", "many-to-one", "dynamic-lengths", "stacked",
         "bidirectional", "seq2seq", "char-lm", "time-series", "attention-free"))]  # fmt: skip
    found = [(f"{name}/{dtype}", dtype) for name in names for dtype in DTYPES]
    tasks = [f"training/{task}/{name}" for task in ("characters", "forecasting")
             for name in ("sgd", "momentum", "adam")]  # fmt: skip
    return found + [(f"{name}/{dtype}", dtype) for name in tasks for dtype in DTYPES[:2]]


def _result(name: str, dtype: str, backend: str, device: str) -> CaseRecord:
    drawn = random.Random(name + backend + device)
    margin = min(0.49, drawn.lognormvariate(-1.6, 0.35))
    bias, bound = drawn.gauss(0, 0.05), UNIT[dtype] * 20
    error = TensorResult(margin, margin * 8, 0.6 + margin / 4, 1.4, bias, bound)
    same = {"case": name, "dtype": dtype, "backend": backend, "device": device,
            "arithmetic": dtype, "ran": f"{backend}.LSTM"}  # fmt: skip
    cell = name.removeprefix("gradients/").split("/", 1)[0]
    if cell == "gru-before" and backend == "pytorch":
        why = "reset: torch.nn.GRU applies the reset gate after the product only"
        return case(**same, outcome="unsupported", reason=why, margin=None, tensors={}, worst=None,
                    fingerprint=None)  # fmt: skip
    if device == "cuda" and dtype == "float32" and cell.startswith("lstm"):
        why = "cuDNN runs float32 RNNs in TF32 unless allow_tf32 is set to False"
        return failed(**same, margin=drawn.uniform(60, 900), fingerprint="tf32", known=why)
    if backend == "tensorflow-function" and dtype == "float16" and drawn.random() < 0.15:
        return failed(**same, margin=drawn.uniform(1.2, 30))
    if backend == "jax-scan" and "/b1-t9" in name and dtype == "bfloat16" and drawn.random() < 0.1:
        why = "XlaRuntimeError: INTERNAL: Failed to allocate 0 bytes"
        card = f'Traceback (most recent call last):\n  File "core.py", line 1\n{why}\n'
        return case(**same, outcome="errored", margin=None, tensors={}, worst=None,
                    fingerprint=None, reason=why, card=card)  # fmt: skip
    if dtype == "bfloat16" and cell == "vanilla-relu" and drawn.random() < 0.08:
        return case(**same, outcome="inconclusive", margin=margin, reason="bound/signal is 14 %")
    tensors = {"y": error, "h_n": error}
    if name.startswith("gradients/"):
        tensors |= {"dx": error, "dparams[0][0].W_ih": error, "dparams[0][0].W_hh": error}
    elif name.startswith("training/"):
        tensors = {"loss": error, "params[1][0][0].W_ih": error, "params[2].b": error}
    return case(**same, margin=margin, fingerprint=dtype, tensors=tensors)


def _timed(backend: str, device: str) -> list[Measurement]:
    """Three processes a row."""
    drawn, rows = random.Random(backend + device), []
    for workload, flops in (("lstm-256", 3.1e8), ("lstm-1024", 4.8e9), ("gru-1024", 3.6e9)):
        for mode in ("forward", "training"):
            typical = flops / drawn.uniform(1e11, 5e11)
            for process in range(3):
                seconds = [typical * (1 + drawn.expovariate(25)) for _ in range(20)]
                limits = [typical * (0.7 + drawn.expovariate(50)) for _ in range(21)]
                row = measurement(workload=workload, mode=mode, backend=backend, device=device,
                                  flops=int(flops), process=process, seconds=seconds,
                                  limit_seconds=limits, min_seconds=min(seconds),
                                  median_seconds=sorted(seconds)[10])  # fmt: skip
                if device == "cuda" and mode == "training":
                    why = "y is 412 bounds from the truth; it agrees as tf32"
                    row = replace(row, outcome="differs", margin=412.0, reason=why, seconds=[],
                                  limit_seconds=[], fingerprint="tf32", first_call_seconds=None,
                                  min_seconds=None, median_seconds=None,
                                  iqr_seconds=None)  # fmt: skip
                rows.append(row)
    return rows
