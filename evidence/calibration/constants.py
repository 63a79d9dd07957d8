"""Measure the evidence for two constants of the radius: K_ACT, and K, the number of samples."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from rich.progress import track

from backends import Inputs
from backends.dtypes import rounded
from conformance.agreement import Z
from conformance.evaluate import evaluate
from evidence.calibration.families import FAMILIES, draw_inputs
from evidence.calibration.implementations import Implementation
from evidence.calibration.margins import CONSOLE, Figures, compute_radii, measure, run_draws
from reference import Array, Spec, Weights
from reference.rounding import ARITHMETICS

K_ACTS = (2.0, 3.0, 4.0, 8.0)
SAMPLES = (16, 32, 64, 128)
REPEATS = 24
"""The number of runs of K samples each, whose scatter is measured."""


def measure_k_act(implementation: Implementation, seed: int, label: str) -> dict[str, float]:
    """Measure the largest error / σ̂ in float32 for each K_ACT, without the steady families.

    Args:
        implementation: the implementation.
        seed: the seed of the draws.
        label: the name shown with the progress bar.

    Returns:
        The largest error by K_ACT.

    """
    found = dict.fromkeys(K_ACTS, 0.0)
    for name, family in track(FAMILIES.items(), f"{label}: K_ACT", console=CONSOLE):
        if family.steady:
            continue
        for inputs, answer in run_draws(implementation, name, family, "float32", [seed]):
            for k in K_ACTS:
                errors = [t["max_error"] for t in measure(answer, inputs, k).tensors]
                found[k] = max(found[k], *errors)
    return {f"{k:g}": error for k, error in found.items()}


def measure_elementary(implementation: Implementation) -> dict[str, list[float]]:
    """Measure the relative error of tanh and σ on |a| ≤ 10 in float32, in units of u = 2⁻²⁴.

    With weights 1 and 0, one step of a vanilla cell is tanh(x). With c₀ = 1, the c of an LSTM is σ(x).

    Args:
        implementation: the implementation.

    Returns:
        The largest error and the RMS, by function.

    """
    magnitudes = np.concatenate([np.linspace(0, 10, 40_001)[1:], np.geomspace(1e-6, 1, 10_000)])
    x = rounded(np.concatenate([magnitudes, -magnitudes]), "float32")
    tanh = _one_step(x, Spec(cell="vanilla", input_size=1, hidden_size=1), gate=0)
    sigma = _one_step(x, Spec(cell="lstm", input_size=1, hidden_size=1), gate=1)  # i, f, g, o
    found = {}
    for name, inputs, tensor in (("tanh", tanh, "y"), ("σ", sigma, "c_n")):
        y = evaluate(inputs, lambda a: a)[tensor]
        error = np.abs(implementation(inputs).tensors[tensor] / y - 1) * 2**24
        found[name] = [float(error.max()), math.sqrt(float(np.mean(error**2)))]
    return found


def _one_step(x: Array, spec: Spec, gate: int) -> Inputs:
    """Make the inputs of one step from h₀ = 0 and c₀ = 1 in which only one gate sees ``x (B,)``."""
    W_ih = np.eye(spec.num_gates)[:, gate : gate + 1]
    zero = np.zeros(len(W_ih))
    h0 = np.zeros((1, len(x), 1))
    return Inputs(
        spec=spec,
        dtype="float32",
        x=x[:, None, None],
        h0=h0,
        c0=h0 + 1 if "c" in spec.states else None,
        params=((Weights(W_ih=W_ih, W_hh=zero[:, None], b_ih=zero, b_hh=zero),),),
    )


def measure_samples(seed: int) -> list[Figures]:
    """Measure how much σ̂ and ν scatter between runs of K samples each, for a plain LSTM in float32.

    The figure ``student`` is the chance that a normal error exceeds Z times a σ̂ from K samples.

    Args:
        seed: the seed of the samples.

    Returns:
        A row of figures for each K.

    """
    family = replace(FAMILIES["plain LSTM"], sizes=(2, 20, 16, 16))
    inputs = draw_inputs("plain LSTM", family, "float32", seed)
    values = evaluate(inputs, lambda a: a)
    rows = []
    for k in track(SAMPLES, "samples", console=CONSOLE):
        y = [
            compute_radii(inputs, values, ARITHMETICS["float32"], [seed, n], samples=k)["y"]
            for n in range(REPEATS)
        ]
        sigma = np.stack([radius.sigma for radius in y])
        nu = np.array([radius.freedom for radius in y])
        rows.append({
            "samples": k, "expected": 1 / math.sqrt(2 * k),
            "scatter": float((sigma.std(0, ddof=1) / sigma.mean(0)).mean()),
            "freedom": float(nu.mean()), "freedom_scatter": float(nu.std(ddof=1) / nu.mean()),
            "student": _student_tail(Z, k),
        })  # fmt: skip
    return rows


def _student_tail(t: float, nu: int) -> float:
    """Return P(|t_ν| > t), by the trapezoidal rule over x = eˢ."""
    x = np.geomspace(t, 1e6, 100_001)
    log_scale = math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - math.log(nu * math.pi) / 2
    density = np.exp(log_scale - (nu + 1) / 2 * np.log1p(x * x / nu))
    return 2 * float(np.trapezoid(density * x, np.log(x)))
