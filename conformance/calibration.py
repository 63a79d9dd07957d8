"""``python -m conformance.calibration``: the evidence for Z, the RMS limit, K_ACT and SAMPLES.

Holds correct implementations, and wrong arithmetic under a correct label, to the radius over the
families below, and writes docs/calibration.json and the tables in docs/calibration.md. What is on
record for other implementations stays, so that environments may be run one by one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from statistics import NormalDist
from typing import Any, Literal, TypeAlias
from unittest.mock import patch

import numpy as np
from rich.console import Console
from rich.progress import track

from backends import BACKENDS, BackendNotFound, Inputs, Unsupported, find
from conformance import truth as truths
from conformance.agreement import RMS_FLOOR, Expected, Verdict, Z, judge, rms_limit
from conformance.cases import DTYPES, Case
from conformance.draw import draw, rounded
from conformance.opened import now
from reference import Array, Spec, Weights, rounding, run
from reference.cells import sigmoid
from reports.environment import environment

RECORD = Path(__file__).parents[1] / "docs" / "calibration.json"
PAGE = RECORD.with_suffix(".md")
BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"

CONSOLE = Console(stderr=True)

Figures: TypeAlias = dict[str, Any]
"""Part of what was found, as JSON holds it."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A network, its sizes (B, T, I, H), and how its arrays differ from a conformance case's."""

    cell: Mapping[str, Any]
    sizes: tuple[int, int, int, int]
    x: Literal["drawn", "steady", "one-hot", "sparse", "in pairs"] = "drawn"
    """Steady: the same at every step; in pairs: x₂ₖ₊₁ = x₂ₖ."""
    weights: float = 1
    biases: float = 1
    input_weights: float = 1
    """Of W_ih alone, beside ``weights``."""
    one_sign: bool = False
    """Nothing is negative, and row sums are below 1."""
    cancelling: bool = False
    """Weights in pairs w, −w (1 − 1/64)."""


VANILLA, GRU, LSTM = {"cell": "vanilla"}, {"cell": "gru"}, {"cell": "lstm"}
RELU = VANILLA | {"activation": "relu"}
FAMILIES: dict[str, Family] = {
    "plain vanilla": Family(cell=VANILLA, sizes=(8, 50, 32, 32)),
    "plain GRU, reset after": Family(cell=GRU, sizes=(8, 50, 32, 32)),
    "plain GRU, reset before": Family(cell=GRU | {"reset": "before"}, sizes=(8, 50, 32, 32)),
    "plain LSTM": Family(cell=LSTM, sizes=(8, 50, 32, 32)),
    "long vanilla": Family(cell=VANILLA, sizes=(4, 200, 32, 32)),
    "long LSTM": Family(cell=LSTM, sizes=(4, 200, 32, 32)),
    "wide LSTM": Family(cell=LSTM, sizes=(2, 50, 256, 256)),
    "relu, one sign": Family(cell=RELU, sizes=(8, 50, 32, 32), one_sign=True),
    "one-hot LSTM": Family(cell=LSTM, sizes=(8, 25, 400, 32), x="one-hot", input_weights=20),
    "saturated vanilla": Family(cell=VANILLA, sizes=(16, 10, 32, 32), weights=8),
    "saturated LSTM": Family(cell=LSTM, sizes=(8, 25, 32, 32), weights=8),
    "tiny GRU": Family(cell=GRU, sizes=(8, 25, 32, 32), weights=1e-3, biases=1e-3),
    "sparse LSTM": Family(cell=LSTM, sizes=(8, 25, 256, 32), x="sparse"),
    "large biases GRU": Family(cell=GRU, sizes=(8, 25, 32, 32), biases=16),
    "large biases LSTM": Family(cell=LSTM, sizes=(8, 25, 32, 32), biases=16),
    "3 layers, 2 directions": Family(
        cell=LSTM | {"num_layers": 3, "direction": "bidirectional"}, sizes=(8, 25, 16, 16)
    ),
    "forget bias 1": Family(cell=LSTM | {"forget_bias": 1.0}, sizes=(8, 50, 32, 32)),
    "long memory": Family(cell=LSTM | {"forget_bias": 6.0}, sizes=(4, 200, 32, 32)),
    "steady LSTM": Family(cell=LSTM, sizes=(8, 50, 32, 32), x="steady"),
    "long memory, steady": Family(
        cell=LSTM | {"forget_bias": 6.0}, sizes=(4, 200, 32, 32), x="steady"
    ),
    "512 of one sign": Family(cell=VANILLA, sizes=(32, 3, 512, 32), one_sign=True),
    "4,096 of one sign": Family(cell=VANILLA, sizes=(32, 3, 4096, 32), one_sign=True),
    "near zero": Family(cell=VANILLA, sizes=(8, 25, 256, 32), x="in pairs", cancelling=True,
                        biases=1e-3),
}  # fmt: skip

SMALL: tuple[tuple[int, int, int, int], ...] = (
    (1, 1, 1, 1), (1, 4, 1, 1), (1, 3, 4, 4), (2, 5, 4, 4), (4, 9, 8, 8), (8, 25, 16, 16),
)  # fmt: skip
"""Sizes of the tensors over which the RMS is watched, in float32."""
SMALL_DRAWS = 40
FIXED_LIMIT = 1.25
"""Of the RMS, held to the same tensors, to see what a limit that ignores ν would do."""
FREEDOMS = (1, 2, 4, 8, 16, 64, 256, 10_000)
K_ACTS = (2.0, 3.0, 4.0, 8.0)
SAMPLES = (16, 32, 64, 128)
QUANTILES = (0.5, 0.99, 0.999, 0.9999, 0.99999)


def inputs_of(name: str, family: Family, dtype: str, seed: int) -> Inputs:
    """Draw one member of ``family``; the same for the same seed."""
    batch, steps, input_size, hidden_size = family.sizes
    spec = Spec(**family.cell, input_size=input_size, hidden_size=hidden_size)
    id_ = f"calibration/{name}/{dtype}/{seed}"
    drawn = draw(Case(id=id_, spec=spec, dtype=dtype, batch=batch, steps=steps))
    random = np.random.default_rng([seed, *id_.encode()])

    def matrix(W: Array, factor: float) -> Array:
        W = W * (factor * family.weights)
        if family.one_sign:
            W = np.abs(W) / math.sqrt(W.shape[1])
        if family.cancelling:
            W[:, 1::2] = W[:, ::2] * (1 / 64 - 1)
        return rounded(W, dtype)

    def vector(b: Array | None) -> Array:
        assert b is not None, "families have biases"
        return rounded((np.abs(b) if family.one_sign else b) * family.biases, dtype)

    x = np.abs(drawn.x) if family.one_sign else drawn.x
    if family.x == "steady":
        x = np.repeat(x[:, :1], steps, axis=1)
    elif family.x == "one-hot":
        x = np.eye(input_size)[random.integers(input_size, size=(batch, steps))]
    elif family.x == "sparse":
        x = x * (random.random(x.shape) < 0.05)
    elif family.x == "in pairs":
        x = np.repeat(x[..., ::2], 2, axis=-1)
    params = tuple(
        tuple(Weights(matrix(w.W_ih, family.input_weights), matrix(w.W_hh, 1), vector(w.b_ih),
                      vector(w.b_hh)) for w in layer)
        for layer in drawn.params
    )  # fmt: skip
    return replace(drawn, x=x, params=params)


Answer: TypeAlias = dict[str, Array]
Implementation: TypeAlias = Callable[[Inputs], tuple[Answer, dict[str, str]]]
"""The output tensors, and the dtypes that they came in; raises ``Unsupported``."""
Operation: TypeAlias = Callable[..., Array]


@dataclass(frozen=True)
class Machine:
    """NumPy's own arithmetic in ``compute``, with some operations replaced.

    A 16-bit type is computed in float32, and every result is rounded to it.
    """

    operations: Mapping[str, Operation] = field(default_factory=dict)
    compute: str | None = None
    forget_bias: float = 1.0
    """A factor on it."""

    def __call__(self, inputs: Inputs) -> tuple[Answer, dict[str, str]]:
        if self == Machine() and inputs.dtype == "float64":
            raise Unsupported("dtype: this is the truth itself")
        spec = inputs.spec
        if self.forget_bias != 1:
            spec = replace(spec, forget_bias=spec.forget_bias * self.forget_bias)
        sixteen = inputs.dtype.endswith("16")
        compute = self.compute or ("float32" if sixteen else inputs.dtype)

        def lift(a: Array) -> Array:
            made = np.asarray(a, compute).view(MachineArray)
            made.operations = self.operations
            made.stored = partial(rounded, dtype=inputs.dtype) if sixteen else np.asarray
            return made

        answer = answer_of(replace(inputs, spec=spec), lift)
        return {k: np.asarray(a, float) for k, a in answer.items()}, dict.fromkeys(
            answer, inputs.dtype
        )


class MachineArray(np.ndarray[Any, Any]):
    """An array whose operations are those of a ``Machine``."""

    operations: Mapping[str, Operation]
    stored: Operation

    def __array_finalize__(self, other: Any) -> None:
        self.operations = getattr(other, "operations", {})
        self.stored = getattr(other, "stored", np.asarray)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [i.view(np.ndarray) if isinstance(i, MachineArray) else i for i in inputs]
        if method != "__call__":  # of the argument checks, which ask and do not compute
            return getattr(ufunc, method)(*plain, **kwargs)
        result = self.operations.get(ufunc.__name__, ufunc)(*plain)
        return result if result.dtype == bool else self.like(result)

    def like(self, values: Array) -> MachineArray:
        made = np.asarray(self.stored(values)).view(MachineArray)
        made.operations, made.stored = self.operations, self.stored
        return made


@sigmoid.register
def _(a: MachineArray) -> MachineArray:
    return a.like(a.operations.get("sigmoid", sigmoid)(a.view(np.ndarray)))


def answer_of(inputs: Inputs, lift: rounding.Lift) -> dict[str, Any]:
    """The specification's outputs by name, run on arrays made with ``lift``."""
    params = tuple(
        tuple(Weights(*(None if a is None else lift(a) for a in w)) for w in layer)  # type: ignore[arg-type]  # only biases are None
        for layer in inputs.params
    )
    h0, c0 = (None if s is None else lift(s) for s in (inputs.h0, inputs.c0))
    found = run(inputs.spec, params, lift(inputs.x), h0=h0, c0=c0)
    return {name: a for name, a in found._asdict().items() if a is not None}


def one_by_one(a: Array, b: Array, stored: Operation = np.asarray) -> Array:
    """a @ b, added up term by term, every partial sum stored."""
    total = a[..., :, :1] * b[..., :1, :]
    for k in range(1, a.shape[-1]):
        total = stored(total + a[..., :, k : k + 1] * b[..., k : k + 1, :])
    return np.asarray(total)


def simulated(inputs: Inputs) -> tuple[Answer, dict[str, str]]:
    """One sample of the model itself: an implementation exactly as inexact as it may be."""
    if inputs.dtype == "float64":
        raise Unsupported("dtype: noise of float64's size is lost in the float64 that simulates it")
    source = rounding.Rounding(rounding.ARITHMETICS[inputs.dtype], 1, [0, inputs.x.size])
    answer = answer_of(inputs, source.array)
    return {k: a.values[0] for k, a in answer.items()}, dict.fromkeys(answer, inputs.dtype)


NUMPY: dict[str, Implementation] = {
    "reference": Machine(),
    "sequential": Machine({"matmul": one_by_one}),
    "simulated": simulated,
}
"""Correct, without any framework: the equations in the case's own type; the same with sums in the
worst order; and the model itself."""


def operands(bits_of: str) -> Operation:
    """A matmul of operands that have the significant bits of ``bits_of``."""
    return lambda a, b: np.asarray(rounded(a, bits_of) @ rounded(b, bits_of))


WRONG: dict[str, tuple[str, Machine]] = {
    "TF32 matmul operands": ("float32", Machine({"matmul": operands("float16")})),
    "bfloat16 matmul operands": ("float32", Machine({"matmul": operands("bfloat16")})),
    "tanh (1 + 10⁻⁶)": ("float32", Machine({"tanh": lambda a: np.tanh(a) * np.float32(1 + 1e-6)})),
    "sigmoid + 3 · 10⁻⁶": (
        "float32", Machine({"sigmoid": lambda a: sigmoid(a) + np.float32(3e-6)})
    ),
    "forget bias (1 + 10⁻⁶)": ("float32", Machine(forget_bias=1 + 1e-6)),
    "float16 accumulation": (
        "float16", Machine({"matmul": partial(one_by_one, stored=partial(rounded, dtype="float16"))})
    ),
    "bfloat16 accumulation": (
        "bfloat16",
        Machine({"matmul": partial(one_by_one, stored=partial(rounded, dtype="bfloat16"))}),
    ),
    "float32 as float64": ("float64", Machine(compute="float32")),
}  # fmt: skip
"""Wrong arithmetic, and the dtype under whose label it runs."""


def hold(
    answer: tuple[Answer, dict[str, str]], inputs: Inputs, k_act: float = rounding.K_ACT
) -> tuple[Verdict, Answer, Mapping[str, Expected]]:
    """Judge ``answer`` by the radius with that K_ACT; with error / σ̂ of every element."""
    cache = truths.CACHE / f"k_act-{k_act:g}"  # the truth's cache key knows of no K_ACT but one
    with patch.object(rounding, "K_ACT", k_act), patch.object(truths, "CACHE", cache):
        t = truths.truth(inputs)
        radii = t.radii(inputs.dtype)
    expected = {k: Expected(v, radii[k], t.exact[k]) for k, v in t.values.items()}
    arithmetic = rounding.ARITHMETICS[inputs.dtype]
    got, dtypes = answer
    errors = {
        k: (got[k] - e.value) / rounding.floored(e.radius.sigma, ~e.exact)
        for k, e in expected.items()
    }
    return judge(got, dtypes, inputs.dtype, expected, arithmetic), errors, expected


def evidence(implementation: Implementation, draws: int, seed: int, label: str) -> Figures:
    """What ``implementation`` does in every family and dtype, and how its errors are spread."""
    rows: list[Figures] = []
    spread: dict[str, list[Array]] = {dtype: [] for dtype in DTYPES}
    k_act: dict[str, float] = {}
    for name, family in track(FAMILIES.items(), f"{label}: families", console=CONSOLE):
        for dtype in DTYPES:
            found = []
            for n in range(draws):
                inputs = inputs_of(name, family, dtype, seed + n)
                try:
                    answer = implementation(inputs)
                except Unsupported:
                    continue
                verdict, errors, expected = hold(answer, inputs)
                found.append(_row(verdict, expected))
                if family.x != "steady":
                    spread[dtype] += [np.abs(e).ravel() for e in errors.values()]
                asked = dtype == "float32" and n == 0 and family.x != "steady"
                for k in K_ACTS if asked else ():
                    worst = max(
                        t.max_error or 0 for t in hold(answer, inputs, k)[0].tensors.values()
                    )
                    k_act[f"{k:g}"] = max(k_act.get(f"{k:g}", 0), worst)
            if found:
                rows.append({"family": name, "dtype": dtype} | _worst(found))
    return {"rows": rows, "k_act": k_act, "spread": {
        dtype: _distribution(np.concatenate(e)) for dtype, e in spread.items() if e
    }}  # fmt: skip


def _row(verdict: Verdict, expected: Mapping[str, Expected]) -> Figures:
    tensors = verdict.tensors
    assert tensors, verdict.reason
    rms = {
        k: (t.rms_error or 0) / rms_limit(expected[k].radius.freedom) for k, t in tensors.items()
    }
    return {
        "outcome": verdict.outcome,
        "max_error": max(t.max_error or 0 for t in tensors.values()),
        "mean_error": max((t.mean_error or 0 for t in tensors.values()), key=abs),
        "rms_error": max(t.rms_error or 0 for t in tensors.values()),
        "rms_to_limit": max(rms.values()),
        "margin": max(t.margin or 0 for t in tensors.values()),
        "freedom": min(e.radius.freedom for e in expected.values()),
        "bound_to_signal": max(t.bound_to_signal or 0 for t in tensors.values()),
    }


def _worst(rows: Sequence[Figures]) -> Figures:
    """The figures of several draws in one row, the worst of each."""
    order = ("differs", "inconclusive", "agrees")
    worst = {
        k: max((r[k] for r in rows), key=abs) for k in rows[0] if k not in ("outcome", "freedom")
    }
    outcome = min((r["outcome"] for r in rows), key=order.index)
    return {"outcome": outcome, "freedom": min(r["freedom"] for r in rows)} | worst


def _distribution(errors: Array) -> Figures:
    """Quantiles of |error| / σ̂; and the chance of more than Z, from the tail above q₀.₉₉₉.

    ``exponential`` fits an exponential law to what exceeds q₀.₉₉₉ (heavier than any normal tail);
    ``normal`` is the normal law through that quantile.
    """
    q = float(np.quantile(errors, 0.999))
    excess = float(np.mean(errors[errors > q] - q))
    scale = q / NormalDist().inv_cdf(1 - 0.0005)
    return {
        "elements": errors.size,
        "quantiles": [float(v) for v in np.quantile(errors, QUANTILES)],
        "max": float(errors.max()),
        "exponential": 1e-3 * math.exp(-max(0.0, Z - q) / excess),
        "normal": math.erfc(Z / scale / math.sqrt(2)),
    }


def small(implementation: Implementation, seed: int, label: str) -> list[Figures]:
    """RMS(error / σ̂) of many small float32 tensors, by their freedom ν."""
    seen = []
    for sizes in track(SMALL, f"{label}: small tensors", console=CONSOLE):
        for cell in (VANILLA, LSTM):
            family = Family(cell=cell, sizes=sizes)
            for n in range(SMALL_DRAWS):
                inputs = inputs_of(f"small {cell['cell']} {sizes}", family, "float32", seed + n)
                verdict, _, expected = hold(implementation(inputs), inputs)
                seen += [(expected[k].radius.freedom, t.rms_error or 0)
                         for k, t in verdict.tensors.items()]  # fmt: skip
    bins = []
    for low, high in itertools.pairwise(FREEDOMS):
        rms = np.array([r for nu, r in seen if low <= nu < high])
        limit = np.array([rms_limit(nu) for nu, _ in seen if low <= nu < high])
        if rms.size:
            bins.append({
                "freedom": [low, high], "tensors": rms.size,
                "quantiles": [float(v) for v in np.quantile(rms, (0.5, 0.9, 0.99))],
                "max": float(rms.max()), "beyond_fixed": int((rms > FIXED_LIMIT).sum()),
                "beyond_limit": int((rms > limit).sum()),
                "max_to_limit": float((rms / limit).max()),
            })  # fmt: skip
    return bins


def elementary(implementation: Implementation) -> dict[str, list[float]]:
    """The relative error of tanh and σ on |a| ≤ 10 in float32, in u = 2⁻²⁴: the largest, the RMS.

    With weights 1 and 0, one step of a vanilla cell is tanh(x), and c of an LSTM with c₀ = 1 σ(x).
    """
    magnitudes = np.concatenate([np.linspace(0, 10, 40_001)[1:], np.geomspace(1e-6, 1, 10_000)])
    x = rounded(np.concatenate([magnitudes, -magnitudes]), "float32")[:, None, None]
    found = {}
    for name, spec, tensor, gate in (
        ("tanh", Spec(cell="vanilla", input_size=1, hidden_size=1), "y", 0),
        ("σ", Spec(cell="lstm", input_size=1, hidden_size=1), "c_n", 1),
    ):
        W_ih = np.eye(spec.num_gates)[:, gate : gate + 1]
        zero = np.zeros(len(W_ih))
        state = np.zeros((1, len(x), 1))
        inputs = Inputs(
            spec=spec, dtype="float32", x=x, h0=state, c0=state + 1 if tensor == "c_n" else None,
            params=((Weights(W_ih, zero[:, None], zero, zero),),),
        )  # fmt: skip
        y = answer_of(inputs, lambda a: a)[tensor]
        error = np.abs(implementation(inputs)[0][tensor] / y - 1) * 2**24
        found[name] = [float(error.max()), math.sqrt(float(np.mean(error**2)))]
    return found


def wrong(seed: int) -> list[Figures]:
    """The margins of every mistake, over the families whose results it changes at all."""
    rows = []
    for mistake, (dtype, machine) in track(WRONG.items(), "wrong arithmetic", console=CONSOLE):
        found, by_k_act = {}, []
        for name, family in FAMILIES.items():
            inputs = inputs_of(name, family, dtype, seed)
            answer = machine(inputs)
            correct = Machine(compute=dtype if dtype == "float64" else None)(inputs)[0]
            if any((answer[0][k] != correct[k]).any() for k in correct):
                verdict, _, expected = hold(answer, inputs)
                found[name] = _row(verdict, expected)
                if dtype == "float32":
                    by_k_act.append([hold(answer, inputs, k)[0].margin or 0 for k in K_ACTS])
        margins = [r["margin"] for r in found.values()]
        rows.append({
            "mistake": mistake, "dtype": dtype, "families": len(found),
            "margin": [float(v) for v in np.quantile(margins, (0, 0.5, 1))],
            "max_error": max(r["max_error"] for r in found.values()),
            "seen": sum(r["outcome"] == "differs" for r in found.values()),
            "seen_by_rms_alone": sum(r["margin"] <= 1 < r["rms_to_limit"] for r in found.values()),
            "k_act": [float(v) for v in np.median(by_k_act, axis=0)] if by_k_act else [],
            "unseen": {n: r["outcome"] for n, r in found.items() if r["outcome"] != "differs"},
        })  # fmt: skip
    return rows


def scatter(seed: int, repeats: int = 24) -> list[Figures]:
    """How much σ̂ and ν differ between runs of K samples each, for a plain LSTM in float32.

    ``student`` is the chance that a normal error exceeds Z times a σ̂ from K samples.
    """
    inputs = inputs_of("plain LSTM", replace(FAMILIES["plain LSTM"], sizes=(2, 20, 16, 16)),
                       "float32", seed)  # fmt: skip
    y = list(answer_of(inputs, lambda a: a).values())
    rows = []
    for k in track(SAMPLES, "samples", console=CONSOLE):
        radii = [
            rounding.radii(lambda lift: list(answer_of(inputs, lift).values()), y,
                           rounding.ARITHMETICS["float32"], seed=[seed, n], samples=k)[0]
            for n in range(repeats)
        ]  # fmt: skip
        sigma = np.stack([r.sigma for r in radii])
        nu = np.array([r.freedom for r in radii])
        rows.append({
            "samples": k, "expected": 1 / math.sqrt(2 * k),
            "scatter": float((sigma.std(0, ddof=1) / sigma.mean(0)).mean()),
            "freedom": float(nu.mean()), "freedom_scatter": float(nu.std(ddof=1) / nu.mean()),
            "student": _student_tail(Z, k),
        })  # fmt: skip
    return rows


def _student_tail(t: float, nu: int) -> float:
    """P(|t_ν| > t), by the trapezoidal rule over x = eˢ."""
    x = np.geomspace(t, 1e6, 100_001)
    log_scale = math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - math.log(nu * math.pi) / 2
    density = np.exp(log_scale - (nu + 1) / 2 * np.log1p(x * x / nu))
    return 2 * float(np.trapezoid(density * x, np.log(x)))


def implementation_of(name: str, device: str) -> tuple[Implementation, str]:
    """What runs under that name, and its version; raises as ``backends.find`` does."""
    if name in NUMPY:
        return NUMPY[name], f"NumPy {np.__version__}"
    adapter = find(name)(device)

    def run_once(inputs: Inputs) -> tuple[Answer, dict[str, str]]:
        y, h_n, c_n, dtypes = adapter.run(inputs)
        named = {"y": y, "h_n": h_n, "c_n": c_n}
        return {k: np.asarray(a, float) for k, a in named.items() if a is not None}, dtypes

    return run_once, ", ".join(f"{p} {metadata.version(p)}" for p in adapter.packages)


def measure(name: str, device: str, draws: int, seed: int) -> Figures:
    """Everything on record for one implementation."""
    implementation, version = implementation_of(name, device)
    seen = environment()
    return {
        "version": version,
        "device": device,
        "numpy": np.__version__,
        "python": seen.python,
        "cpu": seen.cpu,
        "reference": truths.source_version(),
        "constants": f"{Z:g}, {RMS_FLOOR:g}, {rounding.K_ACT:g}",
        "draws": draws,
        "seed": seed,
        "started_at": now(),
        **evidence(implementation, draws, seed, name),
        "elementary": {} if name == "simulated" else elementary(implementation),
        "small": small(implementation, seed, name),
    }


def table(header: str, rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; ``header`` has its columns' names between bars, numbers are shortened."""
    names = header.split(" | ")
    lines = [names, ["---"] * len(names), *([_short(v) for v in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _short(value: object) -> str:
    if not isinstance(value, float):
        return "—" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    if value and not 0.01 <= abs(value) < 1e5:
        return f"{value:.1e}"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"


def page_tables(record: Figures) -> str:
    """The generated part of docs/calibration.md."""
    by_name: dict[str, Figures] = record["implementations"]
    every = [(name, r) for name, found in by_name.items() for r in found["rows"]]
    parts = {
        "What ran": table(
            "implementation | version | Python, NumPy | processor | draws, seed | reference"
            " | z, RMS floor, K_ACT",
            ([n, f["version"], f"{f['python']}, {f['numpy']}", f["cpu"],
              f"{f['draws']}, {f['seed']}", f["reference"], f["constants"]] for n, f in by_name.items()),
        ),
        "Largest error / σ̂, without the steady families": _summary(by_name, steady=False),
        "Largest error / σ̂, steady families": _summary(by_name, steady=True),
        "Beyond 6 σ̂, or said to differ": table(
            "family | dtype | implementation | outcome | max error / σ̂ | mean | RMS | RMS / limit"
            " | margin | ν | bound / signal",
            sorted(([r["family"], r["dtype"], n, r["outcome"], r["max_error"], r["mean_error"],
                     r["rms_error"], r["rms_to_limit"], r["margin"], r["freedom"],
                     r["bound_to_signal"]]
                    for n, r in every if r["outcome"] == "differs" or r["max_error"] > 6),
                   key=lambda row: (str(row[0]), str(row[1]))),
        ),
        "Families: the worst implementation of each figure": table(
            "family | dtype | max error / σ̂ | of | RMS | RMS / limit | of | margin | least ν"
            " | bound / signal", _family_rows(every),
        ),
        "K_ACT: largest error / σ̂ in float32, and elementary functions in u": table(
            f"implementation | {' | '.join(f'K_ACT = {k:g}' for k in K_ACTS)} | tanh, max"
            " | tanh, RMS | σ, max | σ, RMS",
            ([n, *(f["k_act"][f"{k:g}"] for k in K_ACTS),
              *f["elementary"].get("tanh", [None] * 2),
              *f["elementary"].get("σ", [None] * 2)] for n, f in by_name.items()),
        ),
        "K_ACT: median margin of wrong arithmetic in float32": table(
            f"mistake | {' | '.join(f'K_ACT = {k:g}' for k in K_ACTS)}",
            ([w["mistake"], *w["k_act"]] for w in record["wrong"] if w["k_act"]),
        ),
        "Quantiles of error / σ̂ in magnitude, without the steady families": table(
            f"implementation | dtype | elements | {' | '.join(f'{q:.7g}' for q in QUANTILES)} | max"
            f" | P(> {Z:g}), exponential tail | P(> {Z:g}), normal tail",
            ([n, d, s["elements"], *s["quantiles"], s["max"], s["exponential"], s["normal"]]
             for n, f in by_name.items() for d, s in f["spread"].items()),
        ),
        "RMS of small float32 tensors": table(
            f"ν | implementation | tensors | median | 90 % | 99 % | max | above {FIXED_LIMIT:g}"
            " | above the limit | max RMS / limit",
            sorted(([f"{b['freedom'][0]} to {b['freedom'][1]}", n, b["tensors"],
                     *b["quantiles"], b["max"], b["beyond_fixed"], b["beyond_limit"],
                     b["max_to_limit"]] for n, f in by_name.items() for b in f["small"]),
                   key=lambda row: int(str(row[0]).split()[0])),
        ),
        "Wrong arithmetic": table(
            "mistake | under the label | families it changes | least margin | median | largest"
            " | max error / σ̂ | seen | seen by the RMS alone | not seen in",
            ([w["mistake"], w["dtype"], w["families"], *w["margin"], w["max_error"], w["seen"],
              w["seen_by_rms_alone"],
              ", ".join(f"{n} ({o})" for n, o in w["unseen"].items()) or "none"]
             for w in record["wrong"]),
        ),
        "Samples": table(
            f"K | scatter of σ̂ | 1/√(2K) | mean ν | scatter of ν | P(> {Z:g} σ̂) of a normal error",
            ([s["samples"], s["scatter"], s["expected"], s["freedom"], s["freedom_scatter"],
              s["student"]] for s in record["samples"]),
        ),
    }  # fmt: skip
    return "\n\n".join(f"### {title}\n\n{text}" for title, text in parts.items())


def _summary(by_name: Mapping[str, Figures], *, steady: bool) -> str:
    """The largest figures of every implementation over the families that are, or are not, steady."""
    rows = []
    for name, found in by_name.items():
        mine = [r for r in found["rows"] if (FAMILIES[r["family"]].x == "steady") == steady]
        errors = [max((r["max_error"] for r in mine if r["dtype"] == d), default=None)
                  for d in DTYPES]  # fmt: skip
        outcomes = [r["outcome"] for r in mine]
        rows.append([name, *errors, max(r["margin"] for r in mine),
                     max(r["rms_to_limit"] for r in mine),
                     *(outcomes.count(o) for o in ("agrees", "inconclusive", "differs"))])  # fmt: skip
    return table(f"implementation | {' | '.join(DTYPES)} | largest margin | largest RMS / limit"
                 " | agrees | inconclusive | differs", rows)  # fmt: skip


def _family_rows(every: Sequence[tuple[str, Figures]]) -> Iterable[list[object]]:
    for family in FAMILIES:
        for dtype in DTYPES:
            rows = [(n, r) for n, r in every if (r["family"], r["dtype"]) == (family, dtype)]
            if rows:
                error, rms, margin, bound = (
                    max(rows, key=lambda row, k=key: row[1][k])  # type: ignore[misc]
                    for key in ("max_error", "rms_to_limit", "margin", "bound_to_signal")
                )
                yield [family, dtype, error[1]["max_error"], error[0], rms[1]["rms_error"],
                       rms[1]["rms_to_limit"], rms[0], margin[1]["margin"],
                       min(r["freedom"] for _, r in rows), bound[1]["bound_to_signal"]]  # fmt: skip


def main(arguments: list[str]) -> int:
    """Measure, merge into the record, and write the tables into the page."""
    parser = argparse.ArgumentParser(prog="python -m conformance.calibration", description=__doc__)
    known = [*NUMPY, *BACKENDS]
    parser.add_argument("--backend", nargs="+", metavar="NAME", help=f"default: all of {known}")
    parser.add_argument("--device", default="cpu", help="as for the conformance suite")
    parser.add_argument("--draws", type=int, default=2, help="of every family and dtype")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    if chosen.draws < 1:
        parser.error(f"--draws: {chosen.draws} given, expected at least 1")
    record: Figures = {"implementations": {}, "wrong": [], "samples": []}
    if RECORD.exists():
        record = json.loads(RECORD.read_text("utf-8"))
    for name in chosen.backend or known:
        try:
            found = measure(name, chosen.device, chosen.draws, chosen.seed)
        except BackendNotFound as why:
            if chosen.backend:
                parser.error(str(why))
            CONSOLE.print(f"skipped: {why}")
            continue
        record["implementations"][name] = found
        if name == "reference":
            record |= {"wrong": wrong(chosen.seed), "samples": scatter(chosen.seed)}
        order = {n: k for k, n in enumerate(known)}
        record["implementations"] = dict(
            sorted(record["implementations"].items(), key=lambda i: order.get(i[0], len(order)))
        )
        write(record)
    return 0


def write(record: Figures) -> None:
    """The record, to four digits and a row a line; and its tables between the page's markers."""
    shortened = json.loads(json.dumps(record), parse_float=lambda v: float(f"{float(v):.4g}"))
    text = json.dumps(shortened, indent=1, ensure_ascii=False)
    innermost = re.compile(r"\[[^][{}]*\]|\{[^{}]*\}")
    RECORD.write_text(innermost.sub(lambda m: " ".join(m[0].split()), text) + "\n", "utf-8")
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{page_tables(shortened)}\n\n{END}{after}", "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
