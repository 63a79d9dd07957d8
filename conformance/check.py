"""Check one case on one backend: run it, compare it with the truth, and make the record."""

from __future__ import annotations

import re
import shlex
import time
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
from conformance.cards.error_card import error_card, own_traceback
from conformance.cards.failure_card import failure_card
from conformance.cases import AnyCase, UserCase
from conformance.draw import digest, draw
from conformance.open_backend import OpenBackend
from conformance.truth import Truth, truth
from records.schema import CaseRecord, Outcome
from records.text import clip
from reference.networks.optimisers import Adam
from reference.rounding import ARITHMETICS

OUT_OF_MEMORY = re.compile(
    r"MemoryError|OutOfMemory|ResourceExhausted|RESOURCE_EXHAUSTED|can't allocate memory"
)
"""The words by which frameworks report that memory ran out."""

MAX_TEXT_LENGTH = 20_000
"""The number of characters of an error's text that a record keeps; a longer text ends with a count of the rest."""


def check(case: AnyCase, backend: OpenBackend) -> CaseRecord:
    """Run a case on a backend and return its record. Every failure of the backend ends in a record too.

    Args:
        case: the case.
        backend: the open backend.

    Returns:
        The record of the check.

    """
    inputs = draw(case)
    started = time.perf_counter()
    case_truth = truth(apply_training_dialect(inputs, backend.adapter.dialect))
    return check_against(case, backend, case_truth, digest(inputs), time.perf_counter() - started)


def check_against(
    case: AnyCase, backend: OpenBackend, case_truth: Truth, version: str, reference_seconds: float
) -> CaseRecord:
    """Run a case on a backend and compare it with a truth computed before.

    Args:
        case: the case.
        backend: the open backend.
        case_truth: the truth of the case.
        version: the digest of the case's arrays.
        reference_seconds: the time that the truth took, in seconds.

    Returns:
        The record of the check.

    """
    seconds = {"reference": reference_seconds}
    started = time.perf_counter()
    try:
        found = run_backend(case_truth.inputs, case_truth.version, backend.adapter)
    except Unsupported as why:
        return make_record(case, backend, "unsupported", str(why), version, seconds)
    except (Exception, SystemExit) as error:  # any failure of a backend is an outcome
        seconds["first_call"] = time.perf_counter() - started
        return make_error_record(case, backend, version, error, seconds)
    seconds["first_call"] = time.perf_counter() - started
    return make_answer_record(case, backend, case_truth, version, found, seconds)


class Answer(NamedTuple):
    """A backend's result, a description of the code that ran, and the declared arithmetic."""

    result: Result
    ran: str
    arithmetic: str


def run_backend(inputs: AnyInputs, version: str, adapter: Backend) -> Answer:
    """Run a backend once.

    Args:
        inputs: the inputs of the case.
        version: the digest of the inputs.
        adapter: the backend's adapter.

    Returns:
        The backend's answer.

    Raises:
        Unsupported: the backend's dialect does not run these inputs.
        TypeError: the backend returned something other than a ``Result``.
        RuntimeError: the backend changed its input arrays.

    """
    if why := refusal(adapter.dialect, inputs, adapter.kind):
        raise Unsupported(why)
    with chdir("."), np.errstate():  # a backend may leave either changed
        result = call_adapter(inputs, adapter)
    if digest(inputs) != version:
        raise RuntimeError("the backend changed its input arrays; it must copy them first")
    arithmetic = adapter.dialect.held_to(inputs.named_dtype, adapter.kind)
    return Answer(validate_result(result), str(adapter.ran(inputs)), arithmetic)


def make_error_record(
    case: AnyCase,
    backend: OpenBackend,
    version: str,
    error: BaseException,
    seconds: dict[str, float],
) -> CaseRecord:
    """Make the record of a backend that raised an exception.

    Args:
        case: the case.
        backend: the open backend.
        version: the digest of the case's arrays.
        error: the exception.
        seconds: the time spent so far, in seconds, by activity.

    Returns:
        A record with the outcome ``errored``.

    """
    text = f"{type(error).__name__}: {error}"
    reason = f"memory: {text}" if OUT_OF_MEMORY.search(text) else text
    frames = own_traceback(error, backend.adapter)
    return make_record(case, backend, "errored", reason, version, seconds, card=frames)


def make_answer_record(
    case: AnyCase,
    backend: OpenBackend,
    case_truth: Truth,
    version: str,
    found: Answer,
    seconds: dict[str, float],
) -> CaseRecord:
    """Compare an answer with the truth and make the record.

    Args:
        case: the case.
        backend: the open backend.
        case_truth: the truth of the case.
        version: the digest of the case's arrays.
        found: the backend's answer.
        seconds: the time spent so far, in seconds, by activity.

    Returns:
        The record, with a failure card if the outcome is ``differs`` or ``inconclusive``.

    """
    result, ran, arithmetic = found
    started = time.perf_counter()
    verdict = compare(result, case_truth, backend, arithmetic)
    named = find_fingerprint(result, case_truth, backend, arithmetic, verdict)
    spent = seconds.get("reference", 0.0) + time.perf_counter() - started
    card = ""
    if verdict.outcome in ("differs", "inconclusive"):
        commands = {"repeat": _repeat_command(case, backend.name, backend.device)}
        known_by_id = not isinstance(case, UserCase)
        if verdict.outcome == "differs" and backend.name in BACKENDS and known_by_id:
            commands["script"] = _script_command(case.id, backend.name, backend.device)
        held_to = expected_results(case_truth, backend, arithmetic)
        card = failure_card(
            case,
            case_truth,
            verdict,
            result.tensors,
            held_to,
            arithmetic,
            named,
            version,
            commands,
        )
    return make_record(case, backend, verdict.outcome, verdict.reason, version,
                  {**seconds, "reference": spent},
                  ran=ran, verdict=verdict, fingerprint=named, card=card)  # fmt: skip


def call_adapter(inputs: AnyInputs, adapter: Backend) -> Result:
    """Call the adapter's method for this kind of inputs.

    Args:
        inputs: the inputs of a recurrent network, a whole network or a training.
        adapter: the backend's adapter.

    Returns:
        The adapter's result.

    """
    match inputs:
        case Inputs():
            return adapter.run(inputs)
        case NetworkInputs():
            return adapter.run_network(inputs)
        case TrainingInputs():
            return adapter.train(inputs)


def apply_training_dialect(inputs: AnyInputs, dialect: Dialect) -> AnyInputs:
    """Replace the training options with the variants that a dialect declares.

    Args:
        inputs: the inputs of a case.
        dialect: the dialect of the backend.

    Returns:
        Inputs with the dialect's optimiser, clipping and fixed parameters; other inputs than training are unchanged.

    """
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
    """Return a backend's result with all tensors in float64.

    Args:
        result: the value that the backend returned.

    Returns:
        The result.

    Raises:
        TypeError: the value is not a ``Result``.

    """
    if not isinstance(result, Result):
        raise TypeError(f"fetch returned {type(result).__name__}, expected backends.Result")
    tensors = {name: np.asarray(a, np.float64) for name, a in result.tensors.items()}
    return Result(tensors, dict(result.dtypes))


def compare(result: Result, case_truth: Truth, backend: OpenBackend, arithmetic: str) -> Verdict:
    """Compare a result with the truth in one arithmetic.

    Args:
        result: the backend's result.
        case_truth: the truth.
        backend: the open backend.
        arithmetic: the name of the arithmetic.

    Returns:
        The verdict.

    """
    return judge(
        result.tensors,
        result.dtypes,
        case_truth.inputs.dtype,
        expected_results(case_truth, backend, arithmetic),
        ARITHMETICS[arithmetic],
    )


def expected_results(
    case_truth: Truth, backend: OpenBackend, arithmetic: str
) -> Mapping[str, Expected]:
    """Return truth and radius of every tensor, in the form that the backend's dialect declares.

    Args:
        case_truth: the truth.
        backend: the open backend.
        arithmetic: the name of the arithmetic.

    Returns:
        The expected tensors by name.

    """
    inputs, dialect = case_truth.inputs, backend.adapter.dialect
    found = case_truth.expected(arithmetic)
    if isinstance(inputs, Inputs):
        y, sigma = (as_declared(dialect, inputs.spec, inputs.lengths, a)
                    for a in (found["y"].value, found["y"].radius.sigma))  # fmt: skip
        found["y"] = Expected(y, found["y"].radius._replace(sigma=sigma))
    return found


def find_fingerprint(
    result: Result, case_truth: Truth, backend: OpenBackend, declared: str, verdict: Verdict
) -> str | None:
    """Find the tightest arithmetic that a result agrees with.

    Arithmetics of wider types are not tried: the result's last rounding alone is far outside their bounds, and
    their radii are as slow to compute as its own.

    Args:
        result: the backend's result.
        case_truth: the truth.
        backend: the open backend.
        declared: the name of the arithmetic that the backend declares.
        verdict: the verdict in the declared arithmetic.

    Returns:
        The name of the arithmetic; None if the result agrees with none.

    """
    if not verdict.tensors:
        return None
    declared_arithmetic = ARITHMETICS[declared]
    for name, a in ARITHMETICS.items():
        if a.u_out < declared_arithmetic.u_out:
            continue
        if a.u_store > declared_arithmetic.u_store and isinstance(
            case_truth.inputs, TrainingInputs
        ):
            continue  # fifty steps in 16 bits prove nothing, and are slow
        v = verdict if name == declared else compare(result, case_truth, backend, name)
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
    """Make the record of an outcome. Its field ``known`` is filled in later.

    Args:
        case: the case.
        backend: the open backend.
        outcome: the outcome.
        reason: the reason for the outcome, in a sentence.
        version: the digest of the case's arrays.
        seconds: the time spent, in seconds, by activity.
        ran: a description of the framework code that ran.
        verdict: the verdict, if there is one.
        fingerprint: the tightest arithmetic that the result agrees with.
        card: the failure card; of an error, the traceback or the last words of the process.

    Returns:
        The record.

    """
    repeat = _repeat_command(case, backend.name, backend.device)
    if outcome == "errored":
        card = error_card(case.id, reason, case.named_dtype, repeat, card)
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
        repeat=repeat,
    )


def _repeat_command(case: AnyCase, backend: str, device: str) -> str:
    """Return the command that runs one case again."""
    which = ["--case", case.id]
    if isinstance(case, UserCase):
        which = [*case.options, "--dtype", case.named_dtype]
    return shlex.join(["rnnspec", "check", "--backend", backend, "--device", device, *which])


def _script_command(case: str, backend: str, device: str) -> str:
    """Return the command that writes a script of the framework alone, which reproduces one case."""
    return shlex.join(["rnnspec", "reproduce", "--backend", backend,
                       "--device", device, "--case", case])  # fmt: skip
