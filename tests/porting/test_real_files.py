"""Files that each framework itself writes, of models with more than a recurrent network: the converted network
returns the framework's own outputs. Other files are refused, and the error names the expected contents.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from conformance.agreement import judge
from conformance.truth import truth
from formats import FORMATS, BadModel, LoadedModel
from records.exit_codes import ExitCode
from reference import Array, Spec
from reference.rounding import ARITHMETICS
from tests.porting.test_porting import convert, module

pytestmark = pytest.mark.filterwarnings("ignore")  # the frameworks' own

I, H = 4, 6  # noqa: E741  # the field's names
X = np.random.default_rng(0).normal(size=(3, 5, I)).astype(np.float32)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def library(name: str) -> Any:
    return pytest.importorskip(name, reason=f"{name} is not installed here")


class Written(NamedTuple):
    """A file of a framework's, and the outputs that it makes of X."""

    path: Path
    y: Array


Writer = Callable[[Path, str, bool], Written]
"""Into a folder, a cell, in both directions or in one; two layers."""


def of_pytorch(folder: Path, cell: str, both: bool) -> Written:
    torch = library("torch")
    torch.manual_seed(0)
    kinds = {"vanilla": torch.nn.RNN, "gru-after": torch.nn.GRU, "lstm": torch.nn.LSTM}

    class Tagger(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(7, I)
            self.rnn = kinds[cell](I, H, num_layers=2, batch_first=True, bidirectional=both)
            self.dense = torch.nn.Linear(H, 2)

    made = Tagger()
    torch.save(made.state_dict(), folder / "tagger.pt")
    with torch.no_grad():
        return Written(folder / "tagger.pt", made.rnn(torch.tensor(X))[0].numpy())


def of_tensorflow(folder: Path, cell: str, both: bool) -> Written:
    tf = library("tensorflow")
    cells = importlib.import_module("tf_keras.src.layers.rnn.legacy_cells")
    v1 = tf.compat.v1
    kinds = {
        "vanilla": cells.BasicRNNCell,
        "gru-before": cells.GRUCell,
        "lstm": cells.BasicLSTMCell,
    }
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(1)
        y = tf.constant(X)
        if both:
            for layer in range(2):
                with v1.variable_scope(f"layer_{layer}"):
                    made = v1.nn.bidirectional_dynamic_rnn(
                        kinds[cell](H), kinds[cell](H), y, dtype=tf.float32
                    )
                    y = tf.concat(made[0], axis=-1)
        else:
            stack = cells.MultiRNNCell([kinds[cell](H) for _ in range(2)])
            y, _ = v1.nn.dynamic_rnn(stack, y, dtype=tf.float32)
        kernel = v1.get_variable("dense/kernel", (y.shape[-1], 2))
        loss = tf.reduce_sum(y @ kernel)
        step = v1.train.AdamOptimizer().minimize(
            loss, global_step=v1.train.get_or_create_global_step()
        )
        session.run(v1.global_variables_initializer())
        session.run(step)  # biases are not 0 after it
        path = v1.train.Saver().save(session, str(folder / "model.ckpt"), global_step=1)
        return Written(Path(path), session.run(y))


def of_keras(folder: Path, cell: str, both: bool) -> Written:
    keras = library("keras")
    keras.utils.set_random_seed(0)
    kinds = {"vanilla": ("SimpleRNN", {}), "gru-after": ("GRU", {}), "gru-before": ("GRU", {"reset_after": False}),
             "lstm": ("LSTM", {})}  # fmt: skip
    name, options = kinds[cell]

    def layer() -> Any:
        made = getattr(keras.layers, name)(
            H, return_sequences=True, bias_initializer="random_normal", **options
        )
        return keras.layers.Bidirectional(made) if both else made

    model = keras.Sequential(
        [keras.layers.Input((None, I)), layer(), layer(), keras.layers.Dense(2)]
    )
    model.compile("adam", "mse")
    model.save_weights(folder / "model.weights.h5")
    y = keras.ops.convert_to_tensor(X)
    for recurrent in model.layers[:2]:
        y = recurrent(y)
    return Written(folder / "model.weights.h5", keras.ops.convert_to_numpy(y))


def of_flax(folder: Path, cell: str, both: bool, optimised: bool = True) -> Written:
    nn = library("flax.linen")
    jax = library("jax")
    serialization = library("flax.serialization")
    kinds = {"vanilla": nn.SimpleCell, "gru-after": nn.GRUCell,
             "lstm": nn.OptimizedLSTMCell if optimised else nn.LSTMCell}  # fmt: skip
    bias = nn.initializers.normal()

    class Stack(nn.Module):  # type: ignore[misc, name-defined]
        @nn.compact
        def __call__(self, x: Any) -> Any:
            for _ in range(2):
                forward = nn.RNN(kinds[cell](H, bias_init=bias))
                backward = nn.RNN(kinds[cell](H, bias_init=bias)) if both else None
                x = nn.Bidirectional(forward, backward)(x) if both else forward(x)
            self.sow("intermediates", "y", x)
            return nn.Dense(2)(x)

    made = Stack()
    variables = made.init(jax.random.key(0), X)
    (folder / "model.msgpack").write_bytes(serialization.to_bytes({"params": variables["params"]}))
    _, seen = made.apply(variables, X, mutable=["intermediates"])
    return Written(folder / "model.msgpack", np.asarray(seen["intermediates"]["y"][0]))


def of_equinox(folder: Path, cell: str, both: bool) -> Written:
    eqx, jax = library("equinox"), library("jax")
    kinds = {"gru-after": eqx.nn.GRUCell, "lstm": eqx.nn.LSTMCell}
    ways = 1 + both
    keys = iter(jax.random.split(jax.random.key(0), 4))
    cells = [
        [kinds[cell](I if layer == 0 else ways * H, H, key=next(keys)) for _ in range(ways)]
        for layer in range(2)
    ]
    eqx.tree_serialise_leaves(folder / "model.eqx", cells)
    y = jax.numpy.asarray(X)

    def along(one: Any, x: Any, reverse: bool) -> Any:  # (T, I)
        def step(state: Any, x_t: Any) -> Any:
            state = one(x_t, state)
            return state, state[0] if cell == "lstm" else state

        zero = jax.numpy.zeros(H)
        return jax.lax.scan(step, (zero, zero) if cell == "lstm" else zero, x, reverse=reverse)[1]

    for row in cells:
        found = [
            jax.vmap(lambda x, one=one, k=k: along(one, x, bool(k)))(y) for k, one in enumerate(row)
        ]
        y = jax.numpy.concatenate(found, axis=-1)
    return Written(folder / "model.eqx", np.asarray(y))


def of_onnx(folder: Path, cell: str, both: bool) -> Written:
    """A file that PyTorch exports."""
    torch, _ = library("torch"), library("onnx")
    runtime = library("onnxruntime")
    torch.manual_seed(0)
    kinds = {"vanilla": torch.nn.RNN, "gru-after": torch.nn.GRU, "lstm": torch.nn.LSTM}
    made = kinds[cell](I, H, num_layers=2, batch_first=True, bidirectional=both)
    path = folder / "model.onnx"
    torch.onnx.export(
        made, (torch.tensor(X),), path, dynamo=False, input_names=["x"], output_names=["y"]
    )
    return Written(path, runtime.InferenceSession(path).run(["y"], {"x": X})[0])


WRITERS: dict[str, Writer] = {
    "pytorch": of_pytorch, "tensorflow": of_tensorflow, "keras": of_keras, "flax": of_flax, "equinox": of_equinox,
    "onnx": of_onnx,
}  # fmt: skip
HAVE = {
    "pytorch": ("vanilla", "gru-after", "lstm"),
    "tensorflow": ("vanilla", "gru-before", "lstm"),
    "keras": ("vanilla", "gru-after", "gru-before", "lstm"),
    "flax": ("vanilla", "gru-after", "lstm"),
    "equinox": ("gru-after", "lstm"),
    "onnx": ("vanilla", "gru-after", "lstm"),
}
ROWS = [
    (name, cell, both) for name, cells in HAVE.items() for cell in cells for both in (False, True)
]


def agrees(found: LoadedModel, y: Array) -> str:
    """The network that was read, by the specification, against what the framework made; empty where they agree."""
    from backends import Inputs  # noqa: PLC0415

    spec, params, dtype = found.model
    t = truth(Inputs(spec=spec, dtype=dtype, params=params, x=X.astype(np.float64)))
    expected = {"y": t.expected(dtype)["y"]}
    return judge(
        {"y": y.astype(np.float64)}, {"y": str(y.dtype)}, dtype, expected, ARITHMETICS[dtype]
    ).reason


@pytest.mark.parametrize(("name", "cell", "both"), ROWS, ids=str)
def test_a_framework_s_own_file_is_read(name: str, cell: str, both: bool, tmp_path: Path) -> None:
    mine = module(name)
    path, y = WRITERS[name](tmp_path, cell, both)
    found = mine.read(path, {}, "")
    spec = found.model.spec
    assert (spec.cell, spec.input_size, spec.hidden_size, spec.num_layers) == (
        cell.partition("-")[0],
        I,
        H,
        2,
    )
    assert spec.direction == ("bidirectional" if both else "forward")
    why = agrees(found, y)
    assert not why, why
    # And it is a check: a bias that is a thousandth larger shows.
    (w, *row), *layers = found.model.params
    if w.b_ih is not None:
        wrong = ((w._replace(b_ih=w.b_ih + 1e-3), *row), *layers)
        assert agrees(found._replace(model=found.model._replace(params=wrong)), y)


def test_flax_s_two_lstm_cells_have_one_tree(tmp_path: Path) -> None:
    mine = module("flax")
    path, y = of_flax(tmp_path, "lstm", both=True, optimised=False)
    assert not agrees(mine.read(path, {}, ""), y)


def test_what_is_no_part_of_the_network_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module("pytorch")
    path, _ = of_pytorch(tmp_path, "lstm", both=True)
    assert convert(path, tmp_path / "m.safetensors") == ExitCode.CLEAN
    assert (
        "ignored, because they are not part of the network: embedding.weight, dense.weight, dense.bias"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(("options", "state"), [
    ((), "True"), (("--spec", "batch_first=true"), "True"), (("--spec", "batch_first=false"), "False"),
])  # fmt: skip
def test_the_layout_of_x_is_always_printed(
    options: tuple[str, ...], state: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module("pytorch")
    path, _ = of_pytorch(tmp_path, "lstm", both=False)
    assert convert(path, "m.safetensors", *options) == ExitCode.CLEAN
    printed = capsys.readouterr().out
    assert f"batch_first={state}" in printed.splitlines()[0]
    assumed = "assumed, because the file does not state it: batch_first=True" in printed
    assert assumed is not bool(options)
    said = "x in --inputs is (batch, time, input); --spec batch_first=false if it is (time, batch, input)"
    assert (said in printed) is not bool(options)


def test_lengths_of_the_other_layout_are_refused_with_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module("pytorch")
    path, _ = of_pytorch(tmp_path, "lstm", both=False)
    np.savez("time-major.npz", x=np.swapaxes(X, 0, 1), lengths=np.array([5, 2, 4]))
    given = (path, "m.safetensors", "--inputs", "time-major.npz")
    assert convert(*given) == ExitCode.HARNESS_ERROR
    assert (
        "lengths: shape (3,) given, expected (5,); x is read as (B, T, I): if it is (T, B, I), "
        "add --spec batch_first=false" in " ".join(capsys.readouterr().err.split())
    )
    assert convert(*given, "--spec", "batch_first=false") == ExitCode.CLEAN


@pytest.mark.parametrize(
    "target", ["model.pt", "model.msgpack", "model.eqx", "model.weights.h5", "model.onnx"]
)
def test_a_model_of_tensorflow_1_goes_everywhere(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The story of the README: two layers of BasicLSTMCell in both directions, on the user's inputs."""
    module("tensorflow")
    module(next(f.name for f in FORMATS.values() if target.endswith(f.endings[0])))
    path, _ = of_tensorflow(tmp_path, "lstm", both=True)
    np.savez(tmp_path / "batch.npz", x=X, lengths=np.array([5, 2, 4]))
    assert convert(path, tmp_path / target, "--inputs", tmp_path / "batch.npz") == ExitCode.CLEAN
    printed = " ".join(capsys.readouterr().out.split())
    assert "assumed, because the file does not state it: forget_bias=1.0" in printed
    assert "dense/kernel" in printed
    verdict = "lossless" if target in ("model.pt", "model.onnx") else "lossy"
    assert f": {verdict}" in printed


# What is written is loaded by each framework's own way.


def test_keras_loads_what_is_written(tmp_path: Path) -> None:
    keras = library("keras")
    mine = module("keras")
    from tests.porting.test_porting import network  # noqa: PLC0415

    for cell, direction in (("lstm", "bidirectional"), ("gru-after", "forward"), ("gru-before", "bidirectional"),
                            ("vanilla", "forward")):  # fmt: skip
        model = network(
            cell, "keras", input_size=I, hidden_size=H, num_layers=2, direction=direction
        )
        path = tmp_path / f"{cell}.weights.h5"
        mine.write(path, model)
        recurrent = []
        for _ in range(2):
            layer = getattr(keras.layers, mine.LAYERS[model.spec.cell])(
                H, **mine.layer_options(model.spec, True)
            )
            recurrent.append(
                keras.layers.Bidirectional(layer) if direction == "bidirectional" else layer
            )
        made = keras.Sequential([keras.layers.Input((None, I)), *recurrent])
        made.load_weights(path)
        y = keras.ops.convert_to_numpy(made(X))
        why = agrees(LoadedModel(model, (), {}, ()), y)
        assert not why, f"{cell}: {why}"


def test_onnx_runtime_loads_what_is_written(tmp_path: Path) -> None:
    runtime = library("onnxruntime")
    mine = module("onnx")
    from tests.porting.test_porting import network  # noqa: PLC0415

    model = network(
        "gru-before", "onnx", input_size=I, hidden_size=H, num_layers=2, direction="bidirectional"
    )
    mine.write(tmp_path / "m.onnx", model)
    y, _ = runtime.InferenceSession(tmp_path / "m.onnx").run(None, {"x": np.swapaxes(X, 0, 1)})
    assert not agrees(LoadedModel(model, (), {}, ()), np.swapaxes(y, 0, 1))


def test_flax_loads_what_is_written(tmp_path: Path) -> None:
    serialization, jax = library("flax.serialization"), library("jax")
    mine = module("flax")
    path, _ = of_flax(tmp_path, "lstm", both=True)
    model = mine.read(path, {}, "").model
    mine.write(tmp_path / "again.msgpack", model)
    theirs = serialization.msgpack_restore(path.read_bytes())["params"]
    theirs.pop("Dense_0")
    ours = serialization.msgpack_restore((tmp_path / "again.msgpack").read_bytes())["params"]
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, ours, theirs)))


# What is refused.


def spoilt(name: str) -> dict[str, tuple[Callable[[Path], None], str]]:
    """Ways to make a file of this kind that is no network, and what is said."""
    return {
        "no such file": (lambda path: None, "m"),
        "of words": (lambda path: path.write_text("weights") and None, "expected"),
        "empty": (lambda path: path.write_bytes(b"") and None, "expected"),
    }


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("what", ["no such file", "of words", "empty"])
def test_what_is_no_file_of_its_kind_is_refused(name: str, what: str, tmp_path: Path) -> None:
    mine = module(name)
    path = tmp_path / f"m{FORMATS[name].endings[0]}"
    spoilt(name)[what][0](path)
    with pytest.raises(BadModel, match=re.escape(str(path))):
        mine.read(path, {}, "")


def test_nothing_of_a_pickle_runs(tmp_path: Path) -> None:
    torch = library("torch")
    mine = module("pytorch")

    class Evil:
        def __reduce__(self) -> Any:
            return (Path(tmp_path / "ran").touch, ())

    torch.save({"weight_ih_l0": Evil()}, tmp_path / "m.pt")
    with pytest.raises(BadModel, match="expected a state_dict"):
        mine.read(tmp_path / "m.pt", {}, "")
    assert not (tmp_path / "ran").exists()


STATE_DICTS: dict[str, tuple[Callable[[Any, dict[str, Any]], Any], str]] = {
    "no recurrent module": (lambda torch, d: {"dense.weight": d["weight_ih_l0"]}, "no recurrent network found"),
    "two modules": (lambda torch, d: {f"{k}.{n}": t for k in "ab" for n, t in d.items()}, "a, b are several networks"),
    "a projection": (lambda torch, d: d | {"weight_hr_l0": d["weight_ih_l0"]}, "a projection given"),
    "two types": (lambda torch, d: d | {"bias_ih_l0": d["bias_ih_l0"].double()}, "expected one dtype"),
    "a kernel missing": (lambda torch, d: {n: t for n, t in d.items() if n != "weight_hh_l0"}, "weight_hh_l0 missing"),
    "a bias missing": (lambda torch, d: {n: t for n, t in d.items() if n != "bias_hh_l0"}, "bias_hh_l0 missing"),
    "a layer missing": (lambda torch, d: {n.replace("l0", "l1"): t for n, t in d.items()}, "weight_ih_l0, .* missing"),
    "no gates": (lambda torch, d: d | {"weight_hh_l0": d["weight_hh_l0"][:5]}, "5 rows of gates for 6 units"),
    "misshapen": (lambda torch, d: d | {"bias_ih_l0": d["bias_ih_l0"][:5]}, r"bias 0: shape \(5,\) given, expected \(24,\)"),
    "not finite": (lambda torch, d: d | {"bias_ih_l0": d["bias_ih_l0"] / 0}, "bias 0: not finite"),
    "a list": (lambda torch, d: [*d.values()], "list given, expected a state_dict"),
    "whole numbers": (lambda torch, d: {n: t.int() for n, t in d.items()}, "dtype: it holds float64"),
}  # fmt: skip


@pytest.mark.parametrize("what", STATE_DICTS)
def test_a_state_dict_of_no_network_is_refused(what: str, tmp_path: Path) -> None:
    torch = library("torch")
    mine = module("pytorch")
    spoil, complaint = STATE_DICTS[what]
    right = torch.nn.LSTM(I, H).state_dict()
    torch.save(spoil(torch, dict(right)), tmp_path / "m.pt")
    with pytest.raises(BadModel, match=complaint) as why:
        mine.read(tmp_path / "m.pt", {}, "")
    assert str(tmp_path / "m.pt") in str(why.value)


def test_what_the_user_says_may_not_contradict_the_file(tmp_path: Path) -> None:
    mine = module("pytorch")
    path, _ = of_pytorch(tmp_path, "lstm", both=True)
    for given, complaint in (
        (
            {"direction": "forward"},
            "direction=forward given, but the file has direction=bidirectional",
        ),
        ({"activation": "relu"}, "only 'vanilla' has this option"),
        ({"bias": False}, "bias: False given, and there are biases that are not 0|shape"),
        (
            {"forget_bias": 0.3},
            "omit it: pytorch files store the forget bias inside the biases already",
        ),
    ):
        with pytest.raises(BadModel, match=complaint):
            mine.read(path, given, "")


def test_a_stack_in_each_direction_is_no_stack_of_both(tmp_path: Path) -> None:
    """MultiRNNCell in bidirectional_dynamic_rnn: the directions never meet, so it is no network of Spec."""
    tf = library("tensorflow")
    mine = module("tensorflow")
    cells = importlib.import_module("tf_keras.src.layers.rnn.legacy_cells")
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        stacks = [cells.MultiRNNCell([cells.BasicLSTMCell(H) for _ in range(2)]) for _ in range(2)]
        v1.nn.bidirectional_dynamic_rnn(*stacks, tf.constant(X), dtype=tf.float32)
        session.run(v1.global_variables_initializer())
        path = Path(v1.train.Saver().save(session, str(tmp_path / "model.ckpt")))
    with pytest.raises(BadModel, match="input_size 6 given, expected 12 in layer 1"):
        mine.read(path, {}, "")
    found = mine.read(path, {}, "bidirectional_rnn/fw")
    assert found.model.spec == Spec(
        cell="lstm", input_size=I, hidden_size=H, num_layers=2, forget_bias=1.0
    )


def test_leaves_that_claim_more_than_there_is_are_refused(tmp_path: Path) -> None:
    mine = module("equinox")
    path, _ = of_equinox(tmp_path, "lstm", both=False)
    path.write_bytes(path.read_bytes().replace(b"(24, 4)", b"(99999999, 4)"[:13])[:4000])
    with pytest.raises(BadModel, match="expected leaves as"):
        mine.read(path, {}, "")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(BadModel, match="expected leaves as"):
        mine.read(path, {}, "")


def test_attributes_without_a_word_are_refused(tmp_path: Path) -> None:
    onnx = library("onnx")
    mine = module("onnx")
    from tests.porting.test_porting import network  # noqa: PLC0415

    mine.write(tmp_path / "m.onnx", network("lstm", "pytorch"))
    right = onnx.load(tmp_path / "m.onnx")
    for name, value in (("clip", 3.0), ("input_forget", 1), ("activation_alpha", [0.1])):
        wrong = onnx.ModelProto()
        wrong.CopyFrom(right)
        wrong.graph.node[0].attribute.append(onnx.helper.make_attribute(name, value))
        onnx.save(wrong, tmp_path / "wrong.onnx")
        with pytest.raises(BadModel, match=f"{name} given, which the specification lacks"):
            mine.read(tmp_path / "wrong.onnx", {}, "")
    wrong = onnx.ModelProto()
    wrong.CopyFrom(right)
    wrong.graph.node[0].attribute.append(
        onnx.helper.make_attribute("activations", ["HardSigmoid", "Tanh", "Tanh"])
    )
    onnx.save(wrong, tmp_path / "wrong.onnx")
    with pytest.raises(BadModel, match=r"activations .* given, expected"):
        mine.read(tmp_path / "wrong.onnx", {}, "")
