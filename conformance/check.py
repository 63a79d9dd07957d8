"""Check one case on one backend: run it, hold it to the truth, and make the record."""

from __future__ import annotations

import re
import shlex
import time
import traceback
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from backends import (
    BACKENDS,
    AnyInputs,
    Backend,
    Dialect,
    Inputs,
    NetworkInputs,
    Result,
    TrainingInputs,
    Unsupported,
)
from backends.adapter import refusal
from backends.dialects import as_declared, fixed_parameters
from conformance.agreement import Expected, Verdict, judge
from conformance.cases import AnyCase, UserCase
from conformance.draw import digest, draw
from conformance.failure_card import failure_card
from conformance.open_backend import OpenBackend
from conformance.truth import Truth, truth
from records.schema import CaseRecord, Outcome
from records.text import clip
from reference.networks.optimisers import Adam
from reference.rounding import ARITHMETICS

OUT_OF_MEMORY = re.compile(
    r"MemoryError|OutOfMemory|ResourceExhausted|RESOURCE_EXHAUSTED|can't allocate memory"
)
"""What frameworks say when they find no memory."""

MAX_TEXT_LENGTH = 20_000
"""Characters of an error's text that a record keeps; what is left out is counted in it."""


def check(case: AnyCase, backend: OpenBackend) -> CaseRecord:
    """The record of ``case`` on ``backend``; whatever the backend does ends in one."""
    inputs = draw(case)
    started = time.perf_counter()
    t = truth(apply_training_dialect(inputs, backend.adapter.dialect))
    return check_against(case, backend, t, digest(inputs), time.perf_counter() - started)


def check_against(
    case: AnyCase, backend: OpenBackend, t: Truth, version: str, reference_seconds: float
) -> CaseRecord:
    """The record of ``case``, whose arrays are of that version, held to its truth."""
    seconds = {"reference": reference_seconds}
    started = time.perf_counter()
    try:
        found = run_backend(t.inputs, t.version, backend.adapter)
    except Unsupported as why:
        return make_record(case, backend, "unsupported", str(why), version, seconds)
    except (Exception, SystemExit) as error:  # any failure of a backend is an outcome
        seconds["first_call"] = time.perf_counter() - started
        return make_error_record(case, backend, version, error, seconds)
    seconds["first_call"] = time.perf_counter() - started
    return make_answer_record(case, backend, t, version, found, seconds)


class Answer(NamedTuple):
    """What a backend returned, what ran, and the arithmetic that it declares."""

    result: Result
    ran: str
    arithmetic: str


def run_backend(inputs: AnyInputs, version: str, adapter: Backend) -> Answer:
    """One run of a backend.

    Raises ``Unsupported`` for what its dialect does not run, and whatever the backend raises; ``TypeError`` for
    a result that is none, and ``RuntimeError`` where the backend changed the arrays that it was given.
    """
    if why := refusal(adapter.dialect, inputs, adapter.kind):
        raise Unsupported(why)
    with chdir("."), np.errstate():  # a backend may leave either changed
        result = call_adapter(inputs, adapter)
    if digest(inputs) != version:
        raise RuntimeError("the backend changed the arrays that it was given; it must copy them")
    arithmetic = adapter.dialect.held_to(inputs.named_dtype, adapter.kind)
    return Answer(validate_result(result), str(adapter.ran(inputs)), arithmetic)


def make_error_record(
    case: AnyCase,
    backend: OpenBackend,
    version: str,
    error: BaseException,
    seconds: dict[str, float],
) -> CaseRecord:
    """The record of a backend that raised."""
    text = f"{type(error).__name__}: {error}"
    reason = f"memory: {text}" if OUT_OF_MEMORY.search(text) else text
    card = "".join(traceback.format_exception(error))
    return make_record(case, backend, "errored", reason, version, seconds, card=card)


def make_answer_record(
    case: AnyCase,
    backend: OpenBackend,
    t: Truth,
    version: str,
    found: Answer,
    seconds: dict[str, float],
) -> CaseRecord:
    """The record of an answer that is held to the truth."""
    result, ran, arithmetic = found
    started = time.perf_counter()
    verdict = compare(result, t, backend, arithmetic)
    named = find_fingerprint(result, t, backend, arithmetic, verdict)
    spent = seconds.get("reference", 0.0) + time.perf_counter() - started
    card = ""
    if verdict.outcome in ("differs", "inconclusive"):
        commands = {"repeat": _repeat_command(case, backend.name, backend.device)}
        known_by_id = not isinstance(case, UserCase)
        if verdict.outcome == "differs" and backend.name in BACKENDS and known_by_id:
            commands["script"] = _script_command(case.id, backend.name, backend.device)
        held_to = expected_results(t, backend, arithmetic)
        card = failure_card(case, t, verdict, result.tensors, held_to, named, version, commands)
    return make_record(case, backend, verdict.outcome, verdict.reason, version,
                  {**seconds, "reference": spent},
                  ran=ran, verdict=verdict, fingerprint=named, card=card)  # fmt: skip


def call_adapter(inputs: AnyInputs, adapter: Backend) -> Result:
    """What the backend makes of ``inputs``, of whatever kind they are."""
    match inputs:
        case Inputs():
            return adapter.run(inputs)
        case NetworkInputs():
            return adapter.run_network(inputs)
        case TrainingInputs():
            return adapter.train(inputs)


def apply_training_dialect(inputs: AnyInputs, dialect: Dialect) -> AnyInputs:
    """``inputs`` with the training that the dialect declares, to which the backend is held."""
    if not isinstance(inputs, TrainingInputs):
        return inputs
    optimiser, clip = inputs.optimiser, inputs.clip
    if isinstance(optimiser, Adam):
        optimiser = replace(optimiser, placement=dialect.adam_epsilon)
    if clip:
        clip = replace(clip, epsilon=dialect.clip_epsilon)
    fixed = fixed_parameters(dialect, inputs.network, inputs.params)
    return replace(inputs, optimiser=optimiser, clip=clip, fixed=fixed)


def validate_result(result: object) -> Result:
    """``result`` if it is one of numbers; raises ``TypeError`` or ``ValueError`` if it is not."""
    if not isinstance(result, Result):
        raise TypeError(f"fetch returned {type(result).__name__}, expected backends.Result")
    tensors = {name: np.asarray(a, np.float64) for name, a in result.tensors.items()}
    return Result(tensors, dict(result.dtypes))


def compare(result: Result, t: Truth, backend: OpenBackend, arithmetic: str) -> Verdict:
    """``result`` against the truth and its radius in ``arithmetic``."""
    return judge(
        result.tensors,
        result.dtypes,
        t.inputs.dtype,
        expected_results(t, backend, arithmetic),
        ARITHMETICS[arithmetic],
    )


def expected_results(t: Truth, backend: OpenBackend, arithmetic: str) -> Mapping[str, Expected]:
    """Truth and radius in ``arithmetic``, as the backend's dialect declares its raw results."""
    inputs, dialect = t.inputs, backend.adapter.dialect
    found = t.expected(arithmetic)
    if isinstance(inputs, Inputs):
        y, sigma = (as_declared(dialect, inputs.spec, inputs.lengths, a)
                    for a in (found["y"].value, found["y"].radius.sigma))  # fmt: skip
        found["y"] = Expected(y, found["y"].radius._replace(sigma=sigma))
    return found


def find_fingerprint(
    result: Result, t: Truth, backend: OpenBackend, declared: str, verdict: Verdict
) -> str | None:
    """The tightest arithmetic that the result agrees with; None where none does.

    A result is not tried against the arithmetics of wider types: its last rounding alone is far
    outside them, and their radii take as long as its own.
    """
    if not verdict.tensors:
        return None
    own = ARITHMETICS[declared]
    for name, a in ARITHMETICS.items():
        if a.u_out < own.u_out:
            continue
        if a.u_store > own.u_store and isinstance(t.inputs, TrainingInputs):
            continue  # fifty steps in 16 bits say nothing, and take long
        v = verdict if name == declared else compare(result, t, backend, name)
        if v.outcome == "agrees":
            return name
    return None


def make_record(
    case: AnyCase,
    backend: OpenBackend,
    outcome: Outcome,
    reason: str,
    version: str,
    seconds: dict[str, float],
    *,
    ran: str = "",
    verdict: Verdict | None = None,
    fingerprint: str | None = None,
    card: str = "",
) -> CaseRecord:
    """The record of an outcome; ``known`` is filled in by who holds known.toml."""
    return CaseRecord(
        case=case.id,
        case_version=version,
        backend=backend.name,
        device=backend.device,
        dtype=case.named_dtype,
        outcome=outcome,
        reason=clip(reason, MAX_TEXT_LENGTH),
        known=None,
        arithmetic=backend.adapter.dialect.held_to(case.named_dtype, backend.adapter.kind),
        fingerprint=fingerprint,
        ran=ran,
        margin=verdict.margin if verdict else None,
        tensors=verdict.tensors if verdict else {},
        worst=verdict.worst if verdict else None,
        card=clip(card, MAX_TEXT_LENGTH),
        seconds=seconds,
        repeat=_repeat_command(case, backend.name, backend.device),
    )


def _repeat_command(case: AnyCase, backend: str, device: str) -> str:
    """One command that runs one case again."""
    which = ["--case", case.id]
    if isinstance(case, UserCase):
        which = [*case.options, "--dtype", case.named_dtype]
    return shlex.join(
        ["python", "-m", "conformance", "--backend", backend, "--device", device, *which]
    )


def _script_command(case: str, backend: str, device: str) -> str:
    """One command that writes a script of the framework alone, which shows what one case does."""
    return shlex.join(["python", "-m", "evidence.reproducer", "--backend", backend,
                       "--device", device, "--case", case])  # fmt: skip
