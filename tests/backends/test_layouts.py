"""The conversion of weights, on arrays small enough to write down; that of gradients is its transpose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, get_args

import numpy as np
import pytest
from dialect_fakes import KERAS_LIKE

from backends import BACKENDS
from backends.dialects import CellDialect
from backends.layouts import Block, convert, gradients
from reference import GATES, PARAMETERS, Role, Spec, Weights, weight_shapes
from tests.backends.test_dialects import DISTINCT

ROWS = {"vanilla": [1], "gru": [1, 2, 3], "lstm": [1, 2, 3, 4]}
PLAIN = CellDialect(blocks=("h",), joined=False, transposed=False, biases=2, bias_optional=True,
                    forget_bias="", options={})  # fmt: skip


def weights(cell: str, bias: bool = True) -> tuple[Spec, Weights]:
    """H = 1, I = 2: row g of W_ih is [g, 10 g], of W_hh 100 g; b_ih is g, b_hh 0.1 g."""
    g = np.array(ROWS[cell], float)
    spec = Spec(cell=cell, input_size=2, hidden_size=1, bias=bias)  # type: ignore[arg-type]
    w = Weights(np.stack([g, 10 * g], axis=1), 100 * g[:, None], g, 0.1 * g)
    return spec, w if bias else w._replace(b_ih=None, b_hh=None)


def block(kernel: Any, recurrent: Any, bias: Any, recurrent_bias: Any) -> Block:
    parts = (kernel, recurrent, bias, recurrent_bias)
    return Block(*(None if p is None else np.array(p, float) for p in parts))


GRU = replace(PLAIN, blocks=("rzn",), options={"reset": ("after",)}, update="keeps")
LSTM = replace(PLAIN, blocks=("ifgo",), forget_bias="stored")
V_KERNEL, V_RECURRENT = [[1, 10]], [[100]]


class Conversion(NamedTuple):
    """The stored form of the canonical weights of ``weights(cell)``."""

    cell: str
    dialect: CellDialect
    blocks: list[Block]
    forget_bias: float = 0.0
    reset: str = "after"
    bias: bool = True


CONVERSIONS: dict[str, Conversion] = {
    "as they are": Conversion(
        "vanilla", PLAIN, [block(V_KERNEL, V_RECURRENT, [1], [0.1])],
    ),
    "transposed": Conversion(
        "vanilla", replace(PLAIN, transposed=True), [block([[1], [10]], [[100]], [1], [0.1])],
    ),
    "joined": Conversion(
        "vanilla", replace(PLAIN, joined=True), [block([[1, 10, 100]], None, [1], [0.1])],
    ),
    "joined and transposed": Conversion(
        "vanilla", replace(PLAIN, joined=True, transposed=True),
        [block([[1], [10], [100]], None, [1], [0.1])],
    ),
    "one bias": Conversion(
        "vanilla", replace(PLAIN, biases=1), [block(V_KERNEL, V_RECURRENT, [1.1], None)],
    ),
    "no bias": Conversion(
        "vanilla", PLAIN, [block(V_KERNEL, V_RECURRENT, None, None)], bias=False,
    ),
    "no bias where there must be two": Conversion(
        "vanilla", replace(PLAIN, bias_optional=False),
        [block(V_KERNEL, V_RECURRENT, [0], [0])], bias=False,
    ),
    "no bias where there must be one": Conversion(
        "vanilla", replace(PLAIN, bias_optional=False, biases=1),
        [block(V_KERNEL, V_RECURRENT, [0], None)], bias=False,
    ),
    "gate order": Conversion(
        "lstm", replace(LSTM, blocks=("igfo",)),
        [block([[1, 10], [3, 30], [2, 20], [4, 40]], [[100], [300], [200], [400]],
               [1, 3, 2, 4], [0.1, 0.3, 0.2, 0.4])],
    ),
    "two matrices": Conversion(
        "gru", replace(GRU, blocks=("n", "zr")),
        [block([[3, 30]], [[300]], [3], [0.3]),
         block([[2, 20], [1, 10]], [[200], [100]], [2, 1], [0.2, 0.1])],
    ),
    "gate order, joined, transposed, one bias": Conversion(
        "lstm", replace(LSTM, blocks=("og", "fi"), joined=True, transposed=True, biases=1),
        [block([[4, 3], [40, 30], [400, 300]], None, [4.4, 3.3], None),
         block([[2, 1], [20, 10], [200, 100]], None, [2.2, 1.1], None)],
    ),
    "forget bias stored": Conversion(
        "lstm", LSTM,
        [block([[1, 10], [2, 20], [3, 30], [4, 40]], [[100], [200], [300], [400]],
               [1, 2, 3, 4], [0.1, 0.2 + 1.5, 0.3, 0.4])],
        forget_bias=1.5,
    ),
    "forget bias stored in one bias": Conversion(
        "lstm", replace(LSTM, biases=1),
        [block([[1, 10], [2, 20], [3, 30], [4, 40]], [[100], [200], [300], [400]],
               [1.1, 2.2 + 1.5, 3.3, 4.4], None)],
        forget_bias=1.5,
    ),
    "forget bias stored where there is no bias": Conversion(
        "lstm", LSTM,
        [block([[1, 10], [2, 20], [3, 30], [4, 40]], [[100], [200], [300], [400]],
               [0, 0, 0, 0], [0, 1.5, 0, 0])],
        forget_bias=1.5, bias=False,
    ),
    "forget bias left to the cell": Conversion(
        "lstm", replace(LSTM, forget_bias="run time"),
        [block([[1, 10], [2, 20], [3, 30], [4, 40]], [[100], [200], [300], [400]],
               [1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4])],
        forget_bias=1.5,
    ),
    "z takes the candidate": Conversion(
        "gru", replace(GRU, update="takes"),
        [block([[1, 10], [-2, -20], [3, 30]], [[100], [-200], [300]], [1, -2, 3],
               [0.1, -0.2, 0.3])],
    ),
    "z takes the candidate, one bias": Conversion(
        "gru", replace(GRU, update="takes", biases=1, options={"reset": ("before",)}),
        [block([[1, 10], [-2, -20], [3, 30]], [[100], [-200], [300]], [1.1, -2.2, 3.3], None)],
        reset="before",
    ),
    "reset after, without a bias to fold": Conversion(
        "gru", replace(GRU, biases=1),
        [block([[1, 10], [2, 20], [3, 30]], [[100], [200], [300]], None, None)], bias=False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CONVERSIONS)
def test_weights_become(what: str) -> None:
    row = CONVERSIONS[what]
    spec, canonical = weights(row.cell, row.bias)
    spec = replace(spec, forget_bias=row.forget_bias, reset=row.reset)  # type: ignore[arg-type]
    before = [None if a is None else a.copy() for a in canonical]
    found = convert(spec, row.dialect, canonical)
    assert len(found) == len(row.blocks), f"{len(found)} blocks, expected {len(row.blocks)}"
    for k, (got, expected) in enumerate(zip(found, row.blocks, strict=True)):
        for field in Block._fields:
            a, b = getattr(got, field), getattr(expected, field)
            assert (a is None) == (b is None), f"block {k}, {field}: {a}, expected {b}"
            if b is not None:
                assert a.shape == b.shape, f"block {k}, {field}: shape {a.shape}, not {b.shape}"
                np.testing.assert_allclose(a, b, rtol=1e-15, err_msg=f"block {k}, {field}")
    for a, b in zip(canonical, before, strict=True):
        np.testing.assert_array_equal(a, b, "convert changed the weights that it was given")


def test_blocks_of_several_units_keep_their_order() -> None:
    """H = 2, so that a gate's rows are two, and must stay together."""
    spec = Spec(cell="gru", input_size=1, hidden_size=2)
    w = Weights(np.arange(6.0)[:, None], np.arange(12.0).reshape(6, 2), np.arange(6.0), np.ones(6))
    (found,) = convert(spec, replace(GRU, blocks=("nrz",), transposed=True), w)
    assert found.kernel.tolist() == [[4, 5, 0, 1, 2, 3]]
    assert found.recurrent is not None
    assert found.recurrent.tolist() == [[8, 10, 0, 2, 4, 6], [9, 11, 1, 3, 5, 7]]
    assert found.bias is not None
    assert found.bias.tolist() == [4, 5, 0, 1, 2, 3]


def test_one_bias_for_a_reset_after_gru_is_refused() -> None:
    spec, w = weights("gru")
    with pytest.raises(ValueError, match="biases: 1 declared, but a reset-after GRU cannot fold"):
        convert(spec, replace(GRU, biases=1), w)


# Gradients, the other way.

CELL_DIALECTS: dict[str, tuple[str, CellDialect]] = {
    f"{name}, {cell}": (cell, dialect)
    for name, whole in (
        *((name, BACKENDS[name].dialect) for name in DISTINCT.values()),
        ("Keras-like", KERAS_LIKE),
    )
    for cell, dialect in whole.cells.items()
} | {what: (row.cell, row.dialect) for what, row in CONVERSIONS.items()}


def drawn_weights(spec: Spec, layer: int, random: np.random.Generator) -> Weights:
    """Whole numbers, so that sums of products are exact."""
    shapes = weight_shapes(spec, layer).values()
    return Weights(*(None if s is None else random.integers(-9, 10, s).astype(float)  # type: ignore[arg-type]
                     for s in shapes))  # fmt: skip


def product(some: Any, others: Any) -> float:
    """⟨some, others⟩ over all arrays; of what is there in one alone, an error."""
    total = 0.0
    for a, b in zip(some, others, strict=True):
        assert (a is None) == (b is None), "one of them has an array that the other has not"
        if a is not None:
            assert a.shape == b.shape
            total += float((a * b).sum())
    return total


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("what", CELL_DIALECTS)
def test_gradients_are_the_transpose_of_conversion(what: str, bias: bool) -> None:
    """⟨A w, d⟩ = ⟨w, Aᵀ d⟩ for A the conversion less what it makes of zeros, the forget bias."""
    cell, dialect = CELL_DIALECTS[what]
    random = np.random.default_rng(len(what))
    for reset in dialect.options.get("reset", ("after",)):  # type: ignore[attr-defined]  # values listed
        if cell == "gru" and reset == "after" and dialect.biases == 1 and bias:
            continue  # refused, below
        for layer, forget_bias in ((0, 0.0), (1, 1.5 if cell == "lstm" else 0.0)):
            spec = Spec(cell=cell, input_size=3, hidden_size=2, num_layers=2, bias=bias,  # type: ignore[arg-type]
                        reset=reset, forget_bias=forget_bias)  # type: ignore[arg-type]  # fmt: skip
            w = drawn_weights(spec, layer, random)
            zeros = Weights(*(None if a is None else 0 * a for a in w))
            there = [array for block in convert(spec, dialect, w) for array in block]
            nothing = [array for block in convert(spec, dialect, zeros) for array in block]
            linear = [None if a is None else a - b for a, b in zip(there, nothing, strict=True)]
            d = [None if a is None else random.integers(-9, 10, a.shape).astype(float)
                 for a in there]  # fmt: skip
            kept = [None if a is None else a.copy() for a in d]
            blocks = [Block(*d[k : k + 4]) for k in range(0, len(d), 4)]
            back = gradients(spec, dialect, w, blocks)
            assert product(linear, d) == product(w, back), f"{spec}"
            assert product(linear, linear) > 0, "weights do arrive"
            for a, b in zip(d, kept, strict=True):
                np.testing.assert_array_equal(a, b, "gradients changed what it was given")


def test_both_parts_of_a_folded_bias_get_the_whole_gradient() -> None:
    spec, w = weights("vanilla")
    back = gradients(spec, replace(PLAIN, biases=1), w, [block([[1, 2]], [[3]], [4], None)])
    assert [a.tolist() for a in back] == [[[1, 2]], [[3]], [4], [4]]


def test_gradients_come_back_in_the_order_of_the_gates() -> None:
    """The blocks of weights by hand, "gate order" above, read backwards."""
    spec, w = weights("lstm")
    stored = [block([[1], [2], [3], [4]], [[10], [20], [30], [40]], [5, 6, 7, 8], [9, 10, 11, 12])]
    one_input = replace(spec, input_size=1)
    back = gradients(one_input, replace(LSTM, blocks=("igfo",)), w._replace(W_ih=w.W_ih[:, :1]),
                     stored)  # fmt: skip
    assert [a.ravel().tolist() for a in back] == [
        [1, 3, 2, 4], [10, 30, 20, 40], [5, 7, 6, 8], [9, 11, 10, 12],
    ]  # fmt: skip


def test_weights_and_blocks_have_a_field_for_every_parameter() -> None:
    """A row of the table without a field could not be stored, and a field without a row is no parameter."""
    rows = [parameter for of_cell in PARAMETERS.values() for parameter in of_cell]
    assert {row.name for row in rows} == set(Weights._fields)
    assert {row.role for row in rows} == set(Block._fields) == set(get_args(Role))
    for cell, of_cell in PARAMETERS.items():
        assert len({row.role for row in of_cell}) == len(of_cell), f"{cell}: two of one role"
        assert all(set(row.gates) <= set(GATES[cell]) for row in of_cell), cell
