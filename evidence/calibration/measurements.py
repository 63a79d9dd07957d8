"""Measure correct implementations and wrong arithmetic over the families."""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist

import numpy as np
from rich.progress import track

from conformance.agreement import Z
from conformance.cases import DTYPES
from evidence.calibration.constants import K_ACTS
from evidence.calibration.families import FAMILIES, SMALL, draw_inputs
from evidence.calibration.implementations import WRONG, Implementation, Machine
from evidence.calibration.margins import CONSOLE, Figures, measure, run_draws, worst_row
from reference import Array

QUANTILES = (0.5, 0.99, 0.999, 0.9999, 0.99999)
SMALL_DRAWS = 40
FREEDOMS = (1, 2, 4, 8, 16, 64, 256, 10_000)
FIXED_LIMIT = 1.25
"""A fixed limit of the RMS, to compare with the limit that depends on ν."""


def measure_families(implementation: Implementation, draws: int, seed: int, label: str) -> Figures:
    """Measure an implementation in every family and dtype, and the distribution of its errors.

    Args:
        implementation: the implementation.
        draws: the number of draws of each family and dtype.
        seed: the seed of the first draw.
        label: the name shown with the progress bar.

    Returns:
        A row for each family and dtype, and a distribution for each dtype.

    """
    rows: list[Figures] = []
    spread: dict[str, list[Array]] = {dtype: [] for dtype in DTYPES}
    for name, family in track(FAMILIES.items(), f"{label}: families", console=CONSOLE):
        for dtype in DTYPES:
            drawn = run_draws(implementation, name, family, dtype, range(seed, seed + draws))
            results = [measure(result, inputs) for inputs, result in drawn]
            if results:
                rows.append({"family": name, "dtype": dtype} | worst_row(results))
            if not family.steady:
                spread[dtype] += [np.abs(e).ravel() for h in results for e in h.errors]
    tails = {dtype: _describe_distribution(np.concatenate(e)) for dtype, e in spread.items() if e}
    return {"rows": rows, "spread": tails}


def _describe_distribution(errors: Array) -> Figures:
    """Return quantiles of |error| / σ̂, and the chance of more than Z, from the tail above q₀.₉₉₉.

    ``exponential`` fits an exponential law to the values above q₀.₉₉₉ (heavier than any normal tail);
    ``normal`` is the normal law through that quantile.
    """
    q = float(np.quantile(errors, 0.999))
    excess = float(np.mean(errors[errors >= q] - q))  # 0 where few elements share the maximum
    scale = q / NormalDist().inv_cdf(1 - 0.0005)
    return {
        "elements": errors.size,
        "quantiles": [float(v) for v in np.quantile(errors, QUANTILES)],
        "max": float(errors.max()),
        "exponential": 1e-3 * math.exp(-max(0.0, Z - q) / excess) if excess else 0.0,
        "normal": math.erfc(Z / scale / math.sqrt(2)),
    }


def measure_small_tensors(implementation: Implementation, seed: int, label: str) -> list[Figures]:
    """Measure RMS(error / σ̂) of many small float32 tensors, by their freedom ν.

    Args:
        implementation: the implementation.
        seed: the seed of the first draw.
        label: the name shown with the progress bar.

    Returns:
        A row for each range of ν.

    """
    seeds = range(seed, seed + SMALL_DRAWS)
    tensors = [
        t
        for name, family in track(SMALL.items(), f"{label}: small tensors", console=CONSOLE)
        for inputs, result in run_draws(implementation, name, family, "float32", seeds)
        for t in measure(result, inputs).tensors
    ]
    bins = []
    for low, high in itertools.pairwise(FREEDOMS):
        inside = [t for t in tensors if low <= t["freedom"] < high]
        if inside:
            rms = np.array([t["rms_error"] for t in inside])
            to_limit = [t["rms_to_limit"] for t in inside]
            bins.append({
                "freedom": [low, high], "tensors": len(inside),
                "quantiles": [float(v) for v in np.quantile(rms, (0.5, 0.9, 0.99))],
                "max": float(rms.max()), "beyond_fixed": int((rms > FIXED_LIMIT).sum()),
                "beyond_limit": sum(r > 1 for r in to_limit), "max_to_limit": max(to_limit),
            })  # fmt: skip
    return bins


def measure_mistakes(seed: int) -> list[Figures]:
    """Measure how far each wrong arithmetic exceeds the bound, in the families whose results it changes.

    Args:
        seed: the seed of the draws.

    Returns:
        A row for each mistake.

    """
    return [
        {"mistake": mistake, "dtype": dtype} | _mistake(dtype, machine, seed)
        for mistake, (dtype, machine) in track(WRONG.items(), "wrong arithmetic", console=CONSOLE)
    ]


def _mistake(dtype: str, machine: Machine, seed: int) -> Figures:
    """Measure one mistake that claims to compute in a dtype."""
    found, by_k_act = {}, []
    for name, family in FAMILIES.items():
        inputs = draw_inputs(name, family, dtype, seed)
        result, correct = machine(inputs), Machine()(inputs).tensors
        if all((a == correct[k]).all() for k, a in result.tensors.items()):
            continue
        found[name] = worst_row([measure(result, inputs)])
        if dtype == "float32":
            results = [worst_row([measure(result, inputs, k)]) for k in K_ACTS]
            by_k_act.append([r["margin"] for r in results])
    rows = found.values()
    return {
        "families": len(found),
        "margin": [float(v) for v in np.quantile([r["margin"] for r in rows], (0, 0.5, 1))],
        "max_error": max(r["max_error"] for r in rows),
        "seen": sum(r["outcome"] == "differs" for r in rows),
        "seen_by_rms_alone": sum(r["margin"] <= 1 < r["rms_to_limit"] for r in rows),
        "k_act": [float(np.median(margins)) for margins in zip(*by_k_act, strict=True)],
        "unseen": {n: r["outcome"] for n, r in found.items() if r["outcome"] != "differs"},
    }
