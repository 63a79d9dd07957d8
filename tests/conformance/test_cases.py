"""The cases: the committed lists cover what they promise, and what is drawn shows mistakes.

Coverage is counted here over the whole product of the axes, as arrays of indices; it shares no
code with ``evidence.covering``, which made the lists. What is drawn for gradients, networks and
training has tests of its own (``test_draws.py``).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends import BACKENDS, Dialect, Inputs, NetworkInputs, TrainingInputs
from backends.dialects import unsupported
from conformance import cases
from conformance.cases import (
    AXES,
    DTYPES,
    FULL_ONLY,
    GRADIENTS,
    NAMED,
    SIZES,
    Case,
    NetworkCase,
    TrainingCase,
    by_id,
    default_cases,
    feasible,
    full_cases,
)
from conformance.draw import AnyInputs, digest, draw
from conformance.session.recorder import SEPARATOR
from reference import GATES, Array, Weights, run
from reference.networks.optimisers import Adam, Clip

FOLDER = Path(cases.__file__).parent
LINES, GRADIENT_LINES, CUDA_LINES = (
    (FOLDER / file).read_text("utf-8").splitlines()
    for file in ("default_cases.txt", "gradient_cases.txt", "cuda_cases.txt")
)
NAMES = list(AXES)
PRODUCT = np.array(list(itertools.product(*(range(len(values)) for values in AXES.values()))))
"""Every row of the product of the axes, as one index for every axis."""
DIALECTS = {name: entry.dialect for name, entry in reversed(BACKENDS.items())}
DISTINCT = {id(dialect): name for name, dialect in DIALECTS.items()}
"""The first backend of every dialect."""
DEFAULT, ON_CUDA = default_cases(), default_cases("cuda")
BARE = [case for case in DEFAULT if isinstance(case, Case)]


def column(axis: str) -> Array:
    """The values of one axis in every row of the product."""
    return np.array(AXES[axis])[PRODUCT[:, NAMES.index(axis)]]


@cache
def possible() -> Array:
    """Return the rows that can exist, by the rules written beside the axes."""
    batch, steps = (
        np.array([sizes[k] for sizes in SIZES.values()])[PRODUCT[:, NAMES.index("size")]]
        for k in (0, 1)
    )
    lengths = column("lengths")
    unpadded = column("padding") == "pad-none"
    fits = (lengths == "full") == unpadded
    fits &= ~((lengths == "ragged") & ((batch == 1) | (steps == 1)))
    return fits & ~((lengths == "short") & (steps == 1))


def runs(dialect: Dialect, kind: str) -> Array:
    """Which rows a dialect runs on a kind of device: one drawn case decides for all that share what it is asked."""
    asked = ("cell", "direction", "lengths", "size", "dtype")
    keys = PRODUCT[:, [NAMES.index(axis) for axis in asked]]
    _, first, group = np.unique(keys[possible()], axis=0, return_index=True, return_inverse=True)
    answers = []
    for values in PRODUCT[possible()][first]:
        case = by_id("/".join(AXES[axis][v] for axis, v in zip(NAMES, values, strict=True)))
        ends = draw(case).lengths
        lengths = None if ends is None else tuple(ends.tolist())
        answers.append(unsupported(dialect, case.spec, case.dtype, lengths, kind) is None)
    whole = np.zeros(len(PRODUCT), bool)
    whole[possible()] = np.array(answers)[group.ravel()]
    return whole


Combination = tuple[tuple[int, ...], int]
"""Some axes, and the number of one combination of their values."""


def combinations(rows: Array, strength: int) -> set[Combination]:
    """Every so many axes with every combination of their values among ``rows``."""
    found = set()
    for axes in itertools.combinations(range(len(NAMES)), strength):
        shape = [len(AXES[NAMES[axis]]) for axis in axes]
        numbers = np.ravel_multi_index(tuple(rows[:, axes].T), shape)
        found |= {(axes, int(n)) for n in np.flatnonzero(np.bincount(numbers))}
    return found


def spelt(combination: Combination) -> str:
    axes, number = combination
    values = np.unravel_index(number, [len(AXES[NAMES[axis]]) for axis in axes])
    return ", ".join(AXES[NAMES[axis]][v] for axis, v in zip(axes, values, strict=True))


COVERED: dict[str, tuple[list[str], int, int, str]] = {
    "triples": (LINES, 3, 2000, "cpu"),
    "pairs": (GRADIENT_LINES, 2, 300, "cpu"),
    "pairs on CUDA": ([*GRADIENT_LINES, *CUDA_LINES], 2, 150, "cuda"),
}
"""For each list: its lines, the number of axes covered together, the least number of combinations, and the device."""


@pytest.mark.parametrize("what", COVERED)
@pytest.mark.parametrize("name", DISTINCT.values())
def test_the_default_cases_cover_every_feasible(what: str, name: str) -> None:
    lines, strength, least, kind = COVERED[what]
    if ("cpu" in DIALECTS[name].arithmetic) != (kind == "cpu"):
        pytest.skip(f"{name} is one of the backends that other cases are for")
    able = runs(DIALECTS[name], kind)
    number = {tuple(row): k for k, row in enumerate(PRODUCT.tolist())}
    listed = [
        number[tuple(AXES[a].index(v) for a, v in zip(NAMES, line.split("/"), strict=True))]
        for line in lines
    ]
    wanted = combinations(PRODUCT[able], strength)
    covered = combinations(PRODUCT[[k for k in listed if able[k]]], strength)
    missing = wanted - covered
    assert len(wanted) > least, f"{name}: only {len(wanted)} {what} are feasible"
    assert not missing, (
        f"{name}: {len(missing)} of {len(wanted)} {what} are in no default case that it runs, "
        f"such as {[spelt(t) for t in sorted(missing)[:3]]}; run python -m evidence.covering"
    )


def test_feasible_is_what_the_words_beside_the_axes_say() -> None:
    for values, expected in zip(PRODUCT.tolist(), possible().tolist(), strict=True):
        row = {axis: AXES[axis][v] for axis, v in zip(NAMES, values, strict=True)}
        assert feasible(row) == expected, f"feasible({row}) is {not expected}"


def test_every_default_case_is_listed_once_in_order() -> None:
    for lines in (LINES, GRADIENT_LINES, CUDA_LINES):
        assert sorted(set(lines)) == lines, "a covering array: sorted, each line once"
    gradients = [GRADIENTS + line for line in GRADIENT_LINES]
    further = [GRADIENTS + line for line in CUDA_LINES]
    by_default = [name for name in NAMED if name not in FULL_ONLY]
    named = [name for name in by_default if not name.startswith("cudnn/")]
    assert [case.id for case in DEFAULT] == [*LINES, *gradients, *named]
    assert [case.id for case in ON_CUDA] == [*LINES, *gradients, *further, *by_default]
    assert len({case.id for case in ON_CUDA}) == len(ON_CUDA)
    assert not [case.id for case in DEFAULT if set(case.id) & set(f"{SEPARATOR}[]*?: ")], (
        "an id is a test's id and a shell pattern too"
    )


KINDS: dict[type, type] = {Case: Inputs, NetworkCase: NetworkInputs, TrainingCase: TrainingInputs}


@pytest.mark.parametrize("case_id", [case.id for case in ON_CUDA])
def test_an_id_leads_back_to_its_case(case_id: str) -> None:
    case = by_id(case_id)
    assert case.id == case_id
    assert case in ON_CUDA
    inputs = draw(case)
    assert type(inputs) is KINDS[type(case)]
    assert inputs.dtype == case.dtype == case_id.rpartition("/")[2]
    if isinstance(inputs, Inputs):
        assert isinstance(case, Case)
        assert inputs.x.shape[-1] == case.spec.input_size
        gradients = case_id.startswith((GRADIENTS, "tutorial/")) or "/gradients/" in case_id
        assert case.gradients == gradients, "the id says whether gradients are compared"
        assert (inputs.incoming is not None) == gradients


def test_the_full_product_holds_every_feasible_row_once() -> None:
    ids = [case.id for case in full_cases()]
    gradients = [name for name in ids if name.startswith(GRADIENTS) and name not in NAMED]
    assert set(gradients) == {GRADIENTS + line for line in (*LINES, *GRADIENT_LINES)}
    assert len(ids) == possible().sum() + len(gradients) + len(NAMED)
    assert len(set(ids)) == len(ids)
    for case_id in random.Random(1).sample(ids, 200):
        assert by_id(case_id).id == case_id


GOOD = "lstm/1-layer/forward/ragged/pad-zero/state/bias/batch-major/b5-t7-i4-h4/float32"
BAD_IDS: dict[str, str] = {
    GOOD.replace("lstm/", "lstn/"): r"cell 'lstn' given, expected .*'lstm'",
    GOOD.replace("1-layer", "4-layer"): r"layers '4-layer' given, expected .*'1-layer'",
    GOOD.replace("forward", "backward"): r"direction 'backward' given",
    GOOD.replace("ragged", "rugged"): r"lengths 'rugged' given",
    GOOD.replace("pad-zero", "pad-one"): r"padding 'pad-one' given",
    GOOD.replace("/state", "/states"): r"state 'states' given",
    GOOD.replace("/bias", "/biased"): r"bias 'biased' given",
    GOOD.replace("batch-major", "major"): r"layout 'major' given",
    GOOD.replace("b5-t7-i4-h4", "b5-t7"): r"size 'b5-t7' given",
    GOOD.replace("float32", "float8"): r"dtype 'float8' given, expected .*'float32'",
    GOOD.replace(
        "/bias", ""
    ): r"9 parts given, expected .*10 parts, with or without gradients/ in front: cell/layers/",
    GOOD + "/": r"11 parts given",
    GRADIENTS: r"1 parts given",
    GRADIENTS * 2 + GOOD: r"11 parts given",
    GRADIENTS + GOOD.replace("lstm/", "lstn/"): r"cell 'lstn' given, expected .*'lstm'",
    GRADIENTS + GOOD.replace("pad-zero", "pad-none"): r"contradict each other",
    GRADIENTS.title() + GOOD: r"11 parts given",
    "": r"1 parts given",
    "tutorial/004/float32": r"3 parts given, expected a named case",
    GOOD.replace("pad-zero", "pad-none"): r"contradict each other",
    GOOD.replace("ragged", "full"): r"contradict each other",
    GOOD.replace("b5-t7-i4-h4", "b1-t6-i5-h4"): r"contradict each other",
    GOOD.replace("ragged", "short").replace("b5-t7-i4-h4", "b4-t1-i5-h6"): r"contradict each other",
}


@pytest.mark.parametrize(("case_id", "complaint"), BAD_IDS.items())
def test_a_bad_id_is_refused_by_the_axis(case_id: str, complaint: str) -> None:
    for good in (GOOD, GRADIENTS + GOOD):
        assert by_id(good).id == good, "each bad id is this good one with one thing wrong"
    with pytest.raises(ValueError, match=complaint) as caught:
        by_id(case_id)
    assert repr(case_id) in str(caught.value), "the message shows the id that was given"


def test_the_sizes_tell_dimensions_apart() -> None:
    """One size with all different, and one each where a swap or a squeeze would go unseen."""
    properties = {
        "all different": [len({*s}) == 4 for s in SIZES.values()],
        "I = H": [i == h for _, _, i, h in SIZES.values()],
        "B = T": [b == t for b, t, _, _ in SIZES.values()],
        "B = 1": [b == 1 for b, _, _, _ in SIZES.values()],
        "T = 1": [t == 1 for _, t, _, _ in SIZES.values()],
        "H = 1": [h == 1 for _, _, _, h in SIZES.values()],
    }
    assert not (lacking := [name for name, held in properties.items() if not any(held)]), lacking
    for name, (b, t, i, h) in SIZES.items():
        assert name == f"b{b}-t{t}-i{i}-h{h}", f"{name} is {(b, t, i, h)}"


# What is drawn.


def leaves(value: Any, name: str) -> Iterator[tuple[str, Array]]:
    """Every array below ``value``, by name; integers are words, classes or lengths."""
    if isinstance(value, np.ndarray):
        yield name, value
    elif isinstance(value, tuple):
        for key, part in zip(getattr(value, "_fields", range(len(value))), value, strict=True):
            yield from leaves(part, f"{name}.{key}")


def arrays(inputs: AnyInputs) -> Iterator[tuple[str, Array]]:
    """Every array of ``inputs``, by name."""
    for name, value in vars(inputs).items():
        yield from leaves(value, name)


def by_row(inputs: Inputs) -> Array:
    """x, batch first."""
    return inputs.x if inputs.spec.batch_first else np.swapaxes(inputs.x, 0, 1)


def same(a: Inputs, b: Inputs) -> bool:
    pairs = zip(arrays(a), arrays(b), strict=True)
    return all(n == m and np.array_equal(v, w, equal_nan=True) for (n, v), (m, w) in pairs)


def test_a_case_is_drawn_alike_every_time() -> None:
    for case in DEFAULT[::7]:
        first = draw(case)
        np.random.seed(0)  # noqa: NPY002  # the global generator has no say
        random.seed(0)
        again = draw(by_id(case.id))
        assert same(first, again), f"{case.id}: two draws differ"
        assert digest(first) == digest(again)
        other = draw(replace(case, id=case.id + "'"))
        assert not same(first, other), f"{case.id}: its id does not seed it"


def representable(a: Array, dtype: str) -> Array:
    """Return where values of the float64 ``a`` are values of ``dtype``, from casts and bits."""
    if dtype == "bfloat16":
        narrow = a.astype(np.float32)
        exact = (narrow.view(np.uint32) & 0xFFFF) == 0
        return exact & (narrow == a) | np.isnan(a)
    with np.errstate(over="ignore"):
        return (a.astype(dtype) == a) | np.isnan(a)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_value_is_exact_in_the_dtype(dtype: str) -> None:
    inexact = {}
    for case in DEFAULT:
        for name, a in arrays(draw(case)) if case.dtype == dtype else ():
            if a.dtype.kind == "i":
                continue
            assert a.dtype == np.float64, f"{case.id}: {name} is {a.dtype}"
            wrong = a[~representable(a, dtype)]
            if wrong.size:
                inexact[f"{case.id}: {name}"] = wrong[:3].tolist()
    assert not inexact, (
        f"{len(inexact)} arrays hold values that are none of {dtype}, so that a backend gets "
        f"others than the truth: {dict(itertools.islice(inexact.items(), 3))}"
    )


def blocks(case: Case, weights: Weights) -> Iterator[tuple[str, Array]]:
    """Each gate's block of each array."""
    for name, a in weights._asdict().items():
        if a is not None:
            gates = GATES[case.spec.cell]
            yield from zip((f"{name}, {g}" for g in gates), np.split(a, len(gates)), strict=True)


def test_no_two_gates_and_no_two_biases_are_alike() -> None:
    for case in BARE:
        inputs = draw(case)
        seen: dict[bytes, str] = {}
        for layer, by_direction in enumerate(inputs.params):
            for direction, weights in enumerate(by_direction):
                for name, block in blocks(case, weights):
                    where = f"layer {layer}, direction {direction}, {name}"
                    if block.size < 4:  # with one unit, two of eight bits may be the same
                        continue
                    key = repr(block.shape).encode() + block.tobytes()
                    assert key not in seen, f"{case.id}: {where} is {seen[key]}"
                    assert block.any(), f"{case.id}: {where} is zero"
                    seen[key] = where
                biases = (weights.b_ih is not None, weights.b_hh is not None)
                assert biases == (case.spec.bias,) * 2, f"{case.id}: biases {biases}"


def test_states_are_given_where_promised_and_not_zero() -> None:
    given = 0
    for case in BARE:
        inputs = draw(case)
        lstm = case.spec.cell == "lstm"
        seen = (inputs.h0 is not None, inputs.c0 is not None)
        assert seen == (case.state, case.state and lstm), f"{case.id}: h0, c0 given: {seen}"
        for name in ("h0", "c0"):
            state = getattr(inputs, name)
            if state is not None:
                given += 1
                assert (state != 0).mean() > 0.9, f"{case.id}: {name} is mostly zero"
        if inputs.h0 is not None and inputs.c0 is not None:
            assert not np.array_equal(inputs.h0, inputs.c0), f"{case.id}: h0 is c0"
    assert given, "no default case gives a state"


LENGTHS_ARE: dict[str, Any] = {
    "ragged": lambda ends, t: ends.max() == t and 1 in ends and ends.min() == 1,
    "zero": lambda ends, t: ends.min() == 0 and ends.max() <= t,
    "short": lambda ends, t: ends.max() == t - 1 and ends.min() >= 1,
}


def test_lengths_are_as_the_case_promises() -> None:
    between = 0
    for case in BARE:
        ends, steps = draw(case).lengths, case.steps
        if case.lengths == "full":
            assert ends is None, f"{case.id}: lengths {ends} given, expected none"
            continue
        assert ends is not None, f"{case.id}: no lengths given"
        assert ends.shape == (case.batch,), f"{case.id}: lengths {ends}"
        assert ends.dtype.kind == "i", f"{case.id}: lengths of {ends.dtype}"
        assert LENGTHS_ARE[case.lengths](ends, steps), f"{case.id}: lengths {ends}, T = {steps}"
        between += bool(((ends > 1) & (ends < steps)).any())
    assert between > 50, f"only {between} cases have a length between 1 and T"


def test_the_padding_holds_its_value_and_nothing_else_does() -> None:
    kinds = set()
    for case in BARE:
        inputs = draw(case)
        x = by_row(inputs)
        assert x.shape == (case.batch, case.steps, case.spec.input_size), case.id
        ends = inputs.lengths
        if ends is None and case.ends is not None:
            ends = np.array(case.ends)  # the tutorial that pads and gives no lengths
        if ends is None:
            assert np.isfinite(x).all(), f"{case.id}: x is not finite"
            assert np.abs(x).max() < 100, f"{case.id}: x has a value like padding"
            continue
        padded = np.arange(case.steps) >= ends[:, None]
        marked = np.isnan(x) if np.isnan(case.padding) else x == case.padding
        assert marked[padded].all(), f"{case.id}: padding is not {case.padding}"
        assert not marked[~padded].any(), f"{case.id}: {case.padding} inside a row's length"
        assert np.abs(x[~padded]).max(initial=0) < 100, f"{case.id}: padding inside the length"
        if padded.any():
            kinds.add(str(case.padding))
    assert kinds == {"0.0", "32768.0", "nan"}, "of which 2¹⁵ is finite in every dtype"


def test_a_large_state_is_beyond_what_a_cell_clips_by_default() -> None:
    large = [case for case in BARE if case.id.startswith("large-state/")]
    assert {case.dtype for case in large} == set(DTYPES)
    for case in large:
        inputs = draw(case)
        assert isinstance(inputs, Inputs)
        c_n = run(inputs.spec, inputs.params, inputs.x).c_n
        assert c_n is not None
        assert np.abs(c_n).max() > 4, "LSTMBlockCell clips at 3"


def test_deep_sums_only_grow() -> None:
    deep = [case for case in BARE if case.id.startswith("deep-sum/")]
    assert {case.spec.cell for case in deep} == set(GATES)
    for case in deep:
        inputs = draw(case)
        assert case.spec.input_size >= 256, case.id
        assert (inputs.x >= 0).all(), case.id
        assert (inputs.params[0][0].W_ih >= 0).all(), case.id


# What a case's version sees.

CASE = by_id(GRADIENTS + GOOD.replace("float32", "float64"))
NETWORK = by_id("tutorial/004-bidirectional/float64")
TRAINING = by_id("training/forecasting/adam/float64")


def flipped(a: Array) -> Array:
    """``a`` with the last bit of its last element flipped."""
    bits = a.copy().view(np.uint64)
    bits.reshape(-1)[-1] ^= np.uint64(1)
    return bits.view(a.dtype)


def changes() -> Iterator[tuple[str, Inputs]]:
    inputs = draw(CASE)
    assert isinstance(inputs, Inputs)
    assert inputs.incoming is not None
    for name in ("x", "h0", "c0", "lengths"):
        yield f"one bit of {name}", replace(inputs, **{name: flipped(getattr(inputs, name))})
    for name in ("h0", "c0", "lengths", "incoming"):
        yield f"no {name}", replace(inputs, **{name: None})
    for name, d in inputs.incoming._asdict().items():
        incoming = inputs.incoming._replace(**{name: flipped(d)})
        yield f"one bit of incoming.{name}", replace(inputs, incoming=incoming)
    for name in Weights._fields:
        w = inputs.params[0][0]
        params = ((w._replace(**{name: flipped(getattr(w, name))}),),)
        yield f"one bit of {name}", replace(inputs, params=params)
    yield "h0 and c0 swapped", replace(inputs, h0=inputs.c0, c0=inputs.h0)
    yield "the shape of x", replace(inputs, x=inputs.x.reshape(7, 5, 4))
    yield "the dtype", replace(inputs, dtype="float32")
    for name, value in {"forget_bias": 1e-9, "direction": "reverse", "batch_first": False}.items():
        yield f"spec.{name}", replace(inputs, spec=replace(inputs.spec, **{name: value}))


def network_changes() -> Iterator[tuple[str, NetworkInputs]]:
    inputs = draw(NETWORK)
    assert isinstance(inputs, NetworkInputs)
    for name, a in inputs.data._asdict().items():
        data = inputs.data._replace(**{name: flipped(a)})
        yield f"one bit of data.{name}", replace(inputs, data=data)
    table, *rest = inputs.params
    changed = type(table)(*(flipped(a) for a in table))  # type: ignore[arg-type]
    yield "one bit of the table", replace(inputs, params=(changed, *rest))
    *layers, loss = inputs.network
    other = replace(loss, reduction="mean")  # type: ignore[call-arg]
    yield "the loss", replace(inputs, network=(*layers, other))


def training_changes() -> Iterator[tuple[str, TrainingInputs]]:
    inputs = draw(TRAINING)
    assert isinstance(inputs, TrainingInputs)
    assert isinstance(inputs.optimiser, Adam)
    assert isinstance(inputs.clip, Clip)
    last = inputs.batches[-1]
    batch = last._replace(targets=flipped(last.targets))  # type: ignore[arg-type]
    yield "one bit of a batch", replace(inputs, batches=(*inputs.batches[:-1], batch))
    yield "a batch", replace(inputs, batches=inputs.batches[:-1])
    yield "no clip", replace(inputs, clip=None)
    yield "clip.epsilon", replace(inputs, clip=replace(inputs.clip, epsilon=1e-6))
    for name, value in {"placement": "inside", "rate": 1e-3, "beta2": 0.999}.items():
        yield name, replace(inputs, optimiser=replace(inputs.optimiser, **{name: value}))


CHANGES: dict[str, tuple[AnyInputs, AnyInputs]] = {
    what: (draw(case), inputs)  # type: ignore[misc]
    for case, some in (
        (CASE, changes()),
        (NETWORK, network_changes()),
        (TRAINING, training_changes()),
    )
    for what, inputs in some
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_version_changes_with(what: str) -> None:
    before, after = map(digest, CHANGES[what])
    assert before != after, f"{what} changed, and the version is {before} still"
    assert len(after) == 12
    assert set(after) <= set("0123456789abcdef")


def test_no_two_default_cases_have_one_version() -> None:
    versions: dict[str, str] = {}
    for case in DEFAULT:
        other = versions.setdefault(digest(draw(case)), case.id)
        assert other == case.id, f"{case.id} and {other} are the same network and arrays"


# What cuDNN decides by.

CUDNN = [case for case in ON_CUDA if case.id.startswith("cudnn/") and isinstance(case, Case)]


@pytest.mark.parametrize("cell", ["vanilla", "gru", "lstm"])
def test_cases_straddle_what_cudnn_decides_by(cell: str) -> None:
    """float32: the largest persistent kernel and one unit more; 16 bits: multiples of 128 and others."""
    most = {"vanilla": {False: 384, True: 256}}.get(cell, {False: 192, True: 128})
    mine = [case for case in CUDNN if case.spec.cell == cell]
    for dtype in ("float32", "bfloat16", "float16"):
        for gradients, limit in most.items():
            units = {c.spec.hidden_size for c in mine
                     if c.gradients == gradients and c.dtype == dtype and c.spec.input_size == 7}  # fmt: skip
            assert units == {limit, limit + 1}
        static = [c for c in mine if c.dtype == dtype and c.spec.input_size > 7]
        assert {c.spec.hidden_size % 128 for c in static} == {0}
        assert {c.spec.input_size % 128 for c in static} == {0, 1}
        assert {c.lengths for c in static} == {"full", "ragged"}, "packed input has no such kernel"


def test_a_cpu_is_spared_cudnn_s_cases() -> None:
    assert CUDNN
    assert not {case.id for case in CUDNN} & {case.id for case in DEFAULT}
