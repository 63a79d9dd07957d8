"""Every bad argument is refused with a ``ValueError`` that says what, where and what instead.

Each row of the tables is a change to a good call and the message that it must get.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from reference import Array, Params, Spec, Weights, run, weight_shapes

CHANGED_SPECS: list[tuple[dict[str, Any], str]] = [
    ({"cell": "GRU"}, r"^Spec\.cell: 'GRU' given, expected one of \('vanilla', 'gru', 'lstm'\)$"),
    ({"cell": None}, r"^Spec\.cell: None given, expected one of"),
    ({"cell": ["gru"]}, r"^Spec\.cell: \['gru'\] given, expected one of"),
    ({"cell": np.array(["gru", "lstm"])}, r"^Spec\.cell: array\(.*\) given, expected one of"),
    ({"direction": "backward"}, r"^Spec\.direction: 'backward' given, .*'forward', 'reverse'"),
    ({"direction": 2}, r"^Spec\.direction: 2 given, expected one of"),
    ({"direction": np.array([1, 2])}, r"^Spec\.direction: array\(.*\) given, expected one of"),
    ({"reset": "during"}, r"^Spec\.reset: 'during' given, expected one of \('after', 'before'\)"),
    ({"reset": True}, r"^Spec\.reset: True given, expected one of"),
    (
        {"cell": "vanilla", "activation": "sigmoid"},
        r"^Spec\.activation: 'sigmoid' given, expected one of \('tanh', 'relu'\)",
    ),
    ({"cell": "vanilla", "activation": np.tanh}, r"^Spec\.activation: <ufunc 'tanh'> given"),
    *(
        (
            {name: value},
            rf"^Spec\.{name}: {re.escape(repr(value))} given, expected a Python int of at l",
        )
        for name in ("input_size", "hidden_size", "num_layers")
        for value in (0, -1, 3.0, True, "3", None, (3,), np.int64(3), np.array(3), float("nan"))
    ),
    *(
        ({name: value}, rf"^Spec\.{name}: {re.escape(repr(value))} given, expected True or False$")
        for name in ("bias", "batch_first")
        for value in (0, 1, None, "yes", np.True_)
    ),
    *(
        (
            {"cell": "lstm", "forget_bias": value},
            rf"^Spec\.forget_bias: {re.escape(repr(value))} given, expected a finite Python float$",
        )
        for value in (
            *(float("nan"), float("inf"), -float("inf"), 10**400, -(10**400)),
            *(True, None, "1", 1j, np.float32(1), np.ones(3)),
        )
    ),
    ({"activation": "relu"}, r"^Spec\.activation: 'relu' given for cell 'gru', but only 'vanilla'"),
    ({"forget_bias": 1.0}, r"^Spec\.forget_bias: 1.0 given for cell 'gru', but only 'lstm' has"),
    (
        {"cell": "lstm", "reset": "before"},
        r"^Spec\.reset: 'before' given for cell 'lstm', but only 'gru' .* leave it out$",
    ),
    ({"cell": "lstm", "activation": "relu"}, r"^Spec\.activation: 'relu' given for cell 'lstm'"),
    ({"cell": "vanilla", "reset": "before"}, r"^Spec\.reset: 'before' given for cell 'vanilla'"),
    ({"cell": "vanilla", "forget_bias": -1}, r"^Spec\.forget_bias: -1 given for cell 'vanilla'"),
]
"""Changes to a GRU's spec."""

FIELDS = ("W_ih", "W_hh", "b_ih", "b_hh")

Arguments = dict[str, Any]
Change = Callable[[Arguments], Arguments]


def good(**options: Any) -> Arguments:
    """A call that is accepted: two bidirectional layers, B = 3, T = 5, I = 7, H = 2."""
    options = {"cell": "lstm", "num_layers": 2, "direction": "bidirectional", **options}
    spec = Spec(input_size=7, hidden_size=2, **options)
    random = np.random.default_rng(0)

    def weights(layer: int) -> Weights:
        fields: dict[str, Any] = {
            name: None if shape is None else random.normal(size=shape)
            for name, shape in weight_shapes(spec, layer).items()
        }
        return Weights(**fields)

    rows = spec.num_layers * spec.num_directions
    return {
        "spec": spec,
        "params": tuple(
            tuple(weights(layer) for _ in range(spec.num_directions))
            for layer in range(spec.num_layers)
        ),
        "x": random.normal(size=(3, 5, 7) if spec.batch_first else (5, 3, 7)),
        "h0": random.normal(size=(rows, 3, 2)),
        "c0": random.normal(size=(rows, 3, 2)) if spec.cell == "lstm" else None,
        "lengths": np.array([5, 0, 2]),
    }


def call(arguments: Arguments) -> Any:
    """``run`` of them."""
    rest = dict(arguments)
    return run(rest.pop("spec"), rest.pop("params"), rest.pop("x"), **rest)


def to(name: str, change: Callable[[Any], Any]) -> Change:
    """Change one argument."""
    return lambda a: {**a, name: change(a[name])}


def to_weight(field: str, change: Callable[[Array], Any], *, layer: int = 1) -> Change:
    """Change one array of the second direction of a layer."""

    def changed(params: Params) -> Params:
        first, second = params[layer]
        second = second._replace(**{field: change(getattr(second, field))})
        return (*params[:layer], (first, second), *params[layer + 1 :])

    return to("params", changed)


def to_all_weights(change: Callable[[Weights], Any]) -> Change:
    """Change every ``Weights``."""
    return to("params", lambda p: tuple(tuple(change(w) for w in layer) for layer in p))


def holding(value: float, *index: int) -> Callable[[Array], Array]:
    """Put one number at one place; the last where none is given."""

    def changed(array: Array) -> Array:
        array = array.copy()
        array[index or (-1,) * array.ndim] = value
        return array

    return changed


def of(value: Any) -> Callable[[Any], Any]:
    """Something else altogether."""
    return lambda _: value


def doubled(array: Array) -> Array:
    """A leading axis of 2."""
    return np.stack([array] * 2)


def as_type(dtype: Any) -> Callable[[Array], Array]:
    return lambda array: array.astype(dtype)


def masked(array: Array) -> Array:
    return np.ma.masked_array(array, mask=array > 0)


def matrix(array: Array) -> Array:
    """The type that NumPy advises against, which is made without its warning."""
    return array.reshape(-1, array.shape[-1]).view(np.matrix)


class ArrayLike:
    """Something with a shape and a type, like another framework's tensor."""

    shape = (3, 5, 7)
    ndim = 3
    dtype = np.dtype(np.float64)


NOT_AN_ARRAY: list[tuple[Callable[[Array], Any], str]] = [
    (lambda a: a.tolist(), "list given, expected a plain NumPy array"),
    (lambda a: (a, a), "tuple given, expected a plain NumPy array"),
    (of(1.0), "float given, expected a plain NumPy array"),
    (of(np.float64(1)), "float64 given, expected a plain NumPy array"),
    (of("zeros"), "str given, expected a plain NumPy array"),
    (of(ArrayLike()), "ArrayLike given, expected a plain NumPy array"),
    (masked, "MaskedArray given, expected a plain NumPy array"),
    (matrix, "matrix given, expected a plain NumPy array"),
]

NOT_FLOATS: list[tuple[Callable[[Array], Any], str]] = [
    (as_type(np.int64), "dtype int64 given, expected a floating-point one"),
    (as_type(np.bool_), "dtype bool given, expected a floating-point one"),
    (as_type(np.complex128), "dtype complex128 given, expected a floating-point one"),
    (as_type(np.object_), "dtype object given, expected a floating-point one"),
    (as_type(np.str_), r"dtype <U\d+ given, expected a floating-point one"),
]

OTHER_TYPE: list[tuple[Callable[[Array], Any], str]] = [
    (as_type(np.float32), "dtype float32 given, expected that of x, float64; cast one of them"),
    (as_type(np.float16), "dtype float16 given, expected that of x, float64; cast one of them"),
]

NOT_FINITE: list[tuple[Callable[[Array], Any], str]] = [
    (holding(np.nan), r"nan at \(.*\) given, expected finite numbers"),
    (holding(np.inf), r"inf at \(.*\) given, expected finite numbers"),
    (holding(-np.inf), r"-inf at \(.*\) given, expected finite numbers"),
]

BAD_ARRAYS = [*NOT_AN_ARRAY, *NOT_FLOATS, *OTHER_TYPE, *NOT_FINITE]

BAD_WEIGHT_SHAPES: dict[str, list[tuple[Callable[[Array], Any], str]]] = {
    "W_ih": [
        (lambda W: W.T, r"shape \(4, 8\) given, expected .* the last axes \(8, 4\)"),
        (lambda W: W[:6], r"shape \(6, 4\) given, expected .* the last axes \(8, 4\)"),
        (lambda W: W[:, :3], r"shape \(8, 3\) given, expected .* the last axes \(8, 4\)"),
        (lambda W: W[0], r"shape \(4,\) given, expected .* the last axes \(8, 4\)"),
        (of(None), r"None given, expected shape \(8, 4\)"),
    ],
    "W_hh": [
        (lambda W: W.T, r"shape \(2, 8\) given, expected .* the last axes \(8, 2\)"),
        (lambda W: W[:6], r"shape \(6, 2\) given, expected .* the last axes \(8, 2\)"),
        (lambda W: W[..., None], r"shape \(8, 2, 1\) given, expected .* the last axes \(8, 2\)"),
        (of(None), r"None given, expected shape \(8, 2\)"),
    ],
    "b_ih": [
        (lambda b: b[:-1], r"shape \(7,\) given, expected \(\.\.\., G·H\) with .* \(8,\)"),
        (lambda b: b[:, None], r"shape \(8, 1\) given, expected \(\.\.\., G·H\) with .* \(8,\)"),
        (of(None), r"None given, expected shape \(8,\)"),
    ],
    "b_hh": [
        (lambda b: b[:2], r"shape \(2,\) given, expected \(\.\.\., G·H\) with .* \(8,\)"),
        (lambda b: b.reshape(4, 2), r"shape \(4, 2\) given, expected \(\.\.\., G·H\) .* \(8,\)"),
        (of(None), r"None given, expected shape \(8,\)"),
    ],
}

BAD_STATE_SHAPES: list[tuple[Callable[[Array], Any], str]] = [
    (lambda s: s[:2], r"shape \(2, 3, 2\) given, expected \(\.\.\., L·D, B, H\) .* \(4, 3, 2\)"),
    (lambda s: s[0], r"shape \(3, 2\) given, expected .* the last axes \(4, 3, 2\)"),
    (lambda s: s[:, :2], r"shape \(4, 2, 2\) given, expected .* the last axes \(4, 3, 2\)"),
    (lambda s: s[:, :, :1], r"shape \(4, 3, 1\) given, expected .* the last axes \(4, 3, 2\)"),
    (lambda s: s.swapaxes(0, 1), r"shape \(3, 4, 2\) given, expected .* axes \(4, 3, 2\)"),
]

CHANGED_CALLS: list[tuple[Change, str]] = [
    (to("spec", of(None)), r"^spec: NoneType given, expected a Spec$"),
    (to("spec", of({"cell": "lstm"})), r"^spec: dict given, expected a Spec$"),
    (to("spec", of(Spec)), r"^spec: type given, expected a Spec$"),
    # x
    *((to("x", change), f"^x: {message}$") for change, message in [*NOT_AN_ARRAY, *NOT_FLOATS]),
    (to("x", of(None)), r"^x: NoneType given, expected a plain NumPy array$"),
    *(
        (to("x", as_type(dtype)), rf"^params\[0\]\[0\]\.W_ih: dtype float64 given, .* x, {dtype};")
        for dtype in ("float32", "float16")
    ),
    (to("x", lambda x: x[0]), r"^x: shape \(5, 7\) given, expected \(\.\.\., B, T, I\) with I = "),
    (to("x", lambda x: x[..., :3]), r"^x: shape \(3, 5, 3\) given, .* I = input_size = 7$"),
    (to("x", lambda x: x[:0]), r"^x: shape \(0, 5, 7\) given, .* with no axis of 0$"),
    (to("x", lambda x: x[:, :0]), r"^x: shape \(3, 0, 7\) given, .* with no axis of 0$"),
    (to("x", lambda x: doubled(x)[:0]), r"^x: shape \(0, 3, 5, 7\) given, .* with no axis of 0$"),
    (to("x", lambda x: x.swapaxes(0, 1)), r"^h0: shape \(4, 3, 2\) given, .* \(4, 5, 2\)$"),
    (to("x", holding(np.nan, 0, 0, 0)), r"^x: nan at \(0, 0, 0\) given, inside the row's length"),
    (to("x", holding(np.inf, 0, 4, 3)), r"^x: inf at \(0, 4, 3\) given, inside the row's length"),
    (to("x", holding(-np.inf, 2, 1, 0)), r"^x: -inf at \(2, 1, 0\) given, inside the row's len"),
    (
        lambda a: {**a, "x": holding(np.nan, 2, 4, 0)(a["x"]), "lengths": None},
        r"^x: nan at \(2, 4, 0\) given, .* expected finite numbers$",
    ),
    # params
    (to("params", list), r"^params: list given, expected a tuple with one tuple for every layer$"),
    (to("params", iter), r"^params: tuple_iterator given, expected a tuple"),
    (to("params", of(None)), r"^params: NoneType given, expected a tuple"),
    (to("params", lambda p: dict(enumerate(p))), r"^params: dict given, expected a tuple"),
    (to("params", lambda p: p[0][0]), r"^params: Weights given, expected a tuple with one tuple"),
    (to("params", lambda p: p[0][0].W_ih), r"^params: ndarray given, expected a tuple"),
    (to("params", lambda p: p[0]), r"^params\[0\]: Weights given, .* Weights for every direction$"),
    (to("params", lambda p: (p[0], None)), r"^params\[1\]: NoneType given, expected a tuple"),
    (to("params", lambda p: (p[0], list(p[1]))), r"^params\[1\]: list given, expected a tuple"),
    (to("params", of(())), r"^params: 0 layers given, expected num_layers = 2$"),
    (to("params", lambda p: p[:1]), r"^params: 1 layers given, expected num_layers = 2$"),
    (to("params", lambda p: p + p[:1]), r"^params: 3 layers given, expected num_layers = 2$"),
    (
        to("params", lambda p: (p[0], p[1][:1])),
        r"^params\[1\]: 1 directions given, expected 2 for direction = 'bidirectional'$",
    ),
    (to("params", lambda p: (p[0] + p[0], p[1])), r"^params\[0\]: 4 directions given, expected 2"),
    (
        to("params", lambda p: (p[1], p[0])),
        r"^params\[0\]\[0\]\.W_ih: shape \(8, 4\) given, expected .* the last axes \(8, 7\)$",
    ),
    (to_all_weights(tuple), r"^params\[0\]\[0\]: tuple given, expected Weights$"),
    (to_all_weights(Weights._asdict), r"^params\[0\]\[0\]: dict given, expected Weights$"),
    (to_all_weights(of(None)), r"^params\[0\]\[0\]: NoneType given, expected Weights$"),
    *(
        (to_weight(field, change), rf"^params\[1\]\[1\]\.{field}: {message}")
        for field in FIELDS
        for change, message in [*BAD_ARRAYS, *BAD_WEIGHT_SHAPES[field]]
    ),
    (to_weight("W_ih", holding(np.nan, 7, 3)), r"W_ih: nan at \(7, 3\) given"),
    # states
    *(
        (to(name, change), f"^{name}: {message}")
        for name in ("h0", "c0")
        for change, message in [*BAD_ARRAYS, *BAD_STATE_SHAPES]
    ),
    (to("h0", holding(np.inf, 1, 2, 0)), r"^h0: inf at \(1, 2, 0\) given, expected finite"),
    # lengths
    (to("lengths", lambda n: n.tolist()), r"^lengths: list given, expected a plain NumPy array$"),
    (to("lengths", of(5)), r"^lengths: int given, expected a plain NumPy array$"),
    (to("lengths", of(np.int64(5))), r"^lengths: int64 given, expected a plain NumPy array$"),
    (to("lengths", masked), r"^lengths: MaskedArray given, expected a plain NumPy array$"),
    (to("lengths", matrix), r"^lengths: matrix given, expected a plain NumPy array$"),
    *(
        (to("lengths", as_type(dtype)), rf"^lengths: dtype {shown} given, expected integers$")
        for dtype, shown in [
            *(("float64", "float64"), ("bool", "bool"), ("object", "object")),
            *(("complex64", "complex64"), ("m8[s]", r"timedelta64\[s\]"), ("U2", "<U2")),
        ]
    ),
    (to("lengths", holding(-1, 1)), r"^lengths: -1 at row 1 given, expected 0 … T = 5$"),
    (to("lengths", holding(6, 2)), r"^lengths: 6 at row 2 given, expected 0 … T = 5$"),
    (
        to("lengths", lambda n: n.astype(np.uint64) - np.uint64(1)),
        r"^lengths: 18446744073709551615",
    ),
    (to("lengths", lambda n: n[:2]), r"^lengths: shape \(2,\) given, expected \(B,\) = \(3,\)$"),
    (to("lengths", lambda n: n[:, None]), r"^lengths: shape \(3, 1\) given, expected \(B,\) ="),
    (to("lengths", doubled), r"^lengths: shape \(2, 3\) given, expected \(B,\) = \(3,\)$"),
    (to("lengths", of(np.array(5))), r"^lengths: shape \(\) given, expected \(B,\) = \(3,\)$"),
    # leading axes
    *(
        (
            lambda a, name=name: {**a, "x": np.stack([a["x"]] * 3), name: doubled(a[name])},
            rf"^{name}: leading axes \(2,\) given, expected the \(3,\) of x, or none$",
        )
        for name in ("h0", "c0")
    ),
    (
        lambda a: {**a, "c0": np.stack([a["c0"]] * 3)},
        r"^c0: leading axes \(3,\) given, but x has \(\); x carries all leading axes",
    ),
]
"""Changes to ``good()``."""

GOOD_LENGTHS = ("int8", "int16", "int32", "int64", "uint8", "uint64")


def names(table: Sequence[tuple[Any, str]]) -> list[str]:
    """Return each row's message as its name; pytest numbers the repetitions."""
    return [re.sub(r"[\\^]", "", message.partition(":")[0]) for _, message in table]


@pytest.mark.parametrize(("changes", "message"), CHANGED_SPECS, ids=names(CHANGED_SPECS))
def test_spec_refuses(changes: dict[str, Any], message: str) -> None:
    """A GRU's spec with a change."""
    fields = {"cell": "gru", "input_size": 4, "hidden_size": 3, **changes}
    with pytest.raises(ValueError, match=message):
        Spec(**fields)


def test_spec_knows_its_fields() -> None:
    """A misspelt option is refused by name; by Python, so with a ``TypeError``."""
    with pytest.raises(TypeError, match="num_layer"):
        Spec(cell="gru", input_size=4, hidden_size=3, num_layer=2)  # type: ignore[call-arg]


@pytest.mark.parametrize(("change", "message"), CHANGED_CALLS, ids=names(CHANGED_CALLS))
def test_run_refuses(change: Change, message: str) -> None:
    """A bidirectional LSTM's arguments with a change."""
    with pytest.raises(ValueError, match=message):
        call(change(good()))


def test_run_refuses_a_time_first_length() -> None:
    """The layout in the message, and the axis that is B, are those of the spec."""
    arguments = good(batch_first=False)
    with pytest.raises(ValueError, match=r"^x: shape \(7, 5\) given, expected \(\.\.\., T, B, I\)"):
        call({**arguments, "x": np.zeros((7, 5))})
    with pytest.raises(ValueError, match=r"^lengths: shape \(5,\) given, expected \(B,\) = \(3,\)"):
        call({**arguments, "lengths": np.zeros(5, int)})
    with pytest.raises(ValueError, match=r"^x: nan at \(1, 2, 0\) given, inside the row's length"):
        call({**arguments, "x": holding(np.nan, 1, 2, 0)(arguments["x"])})


@pytest.mark.parametrize("cell", ["vanilla", "gru"])
def test_run_refuses_c0_of_a_cell_without_c(cell: str) -> None:
    """Only an LSTM has c."""
    arguments = good(cell=cell)
    with pytest.raises(ValueError, match=rf"^c0: given, but a {cell} cell has no state c; leave"):
        call({**arguments, "c0": arguments["h0"]})


@pytest.mark.parametrize("given", ["b_ih", "b_hh"])
def test_run_refuses_a_bias_without_bias(given: str) -> None:
    """A spec without biases takes none, not even one."""
    arguments = to_weight(given, of(np.zeros(8)), layer=0)(good(bias=False))
    with pytest.raises(ValueError, match=rf"^params\[0\]\[1\]\.{given}: given, .* bias is False$"):
        call(arguments)


@pytest.mark.parametrize("cell", ["vanilla", "gru"])
def test_run_refuses_the_weights_of_another_cell(cell: str) -> None:
    """The number of gates is in the shapes."""
    arguments = good()
    with pytest.raises(ValueError, match=r"^params\[0\]\[0\]\.W_ih: shape \(8, 7\) given"):
        call({**arguments, "spec": good(cell=cell)["spec"], "c0": None})


@pytest.mark.parametrize("options", [{}, {"cell": "gru"}, {"bias": False}, {"batch_first": False}])
def test_run_accepts(options: dict[str, Any]) -> None:
    """The calls that the tables change are good ones."""
    assert np.isfinite(call(good(**options)).y).all(), f"{options}: y is not finite"


@pytest.mark.parametrize("dtype", GOOD_LENGTHS)
def test_run_accepts_lengths_of_any_integer_type(dtype: str) -> None:
    """The type of the lengths changes nothing."""
    arguments = good()
    y = call(to("lengths", as_type(dtype))(arguments)).y
    assert (y == call(arguments).y).all(), f"lengths of type {dtype} give another y than int64"
