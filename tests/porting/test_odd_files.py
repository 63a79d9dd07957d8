"""Files that could be taken for a network that they are not: read as what they are, or refused with what was expected."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.dialects import FLAX, TENSORFLOW_LEGACY
from backends.layouts import convert as blocks_of
from conformance.agreement import Verdict
from formats import FORMATS, BadModel
from formats.assemble import StoredCell, has_prefix, layers_by_name, layers_by_size
from formats.assemble import assemble as assembled
from porting.verdict import Impossible, Proof, convert_model
from records.exit_codes import ExitCode
from tests.porting.test_porting import convert, module, network
from tests.porting.test_real_files import H, I, X, agrees, library, of_equinox, of_flax, of_pytorch

pytestmark = pytest.mark.filterwarnings("ignore")  # the frameworks' own


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Where cells stand.


def cells(*places: str, inputs: int = 4, cell: str = "lstm") -> list[StoredCell]:
    return [StoredCell(place, cell, inputs, 4, []) for place in places]


def test_layers_are_in_the_order_of_their_numbers() -> None:
    places = ["rnn/cell_0", *(f"rnn/cell_{k}" for k in range(1, 12))]
    rows = layers_by_name("f", cells(*sorted(places)), "fw", "bw", "")
    assert [row[0].place for row in rows] == places
    first_bare = layers_by_name("f", cells("lstm_2", "lstm", "lstm_1"), "fw", "bw", "")
    assert [row[0].place for row in first_bare] == ["lstm", "lstm_1", "lstm_2"]
    ways = layers_by_name(
        "f", cells("l_1/bw/c", "l_0/fw/c", "l_1/fw/c", "l_0/bw/c"), "fw", "bw", ""
    )
    assert [[s.place for s in row] for row in ways] == [
        ["l_0/fw/c", "l_0/bw/c"],
        ["l_1/fw/c", "l_1/bw/c"],
    ]


PLACES: dict[str, tuple[list[str], str]] = {
    "two names": (["encoder/cell", "decoder/cell"], "are several networks"),
    "two numbers": (["enc_1/cell_0", "enc_1/cell_1", "enc_2/cell_0"], "are several networks"),
    "a layer left out": (["cell_0", "cell_2"], r"numbers \[0, 2\] given, expected consecutive ones"),
    "not from the first": (["cell_3", "cell_4"], r"numbers \[3, 4\] given"),
    "a direction missing": (["l_0/fw/c", "l_0/bw/c", "l_1/fw/c"], "l_1/fw/c stands alone, expected both"),
    "one layer twice": (["fw/rnn/c", "rnn/fw/c", "rnn/bw/c"], "name one layer twice"),
    "with a direction and without": (["rnn/c", "rnn/fw/c", "rnn/bw/c"], "name one layer twice"),
}  # fmt: skip


@pytest.mark.parametrize("what", PLACES)
def test_places_of_no_one_stack_are_refused(what: str) -> None:
    places, complaint = PLACES[what]
    with pytest.raises(BadModel, match=complaint):
        layers_by_name("f", cells(*places), "fw", "bw", "")


def test_two_layers_and_two_directions_are_told_apart_or_asked_for() -> None:
    alike = cells("a_0", "a_1")
    with pytest.raises(BadModel, match="may be two layers or one bidirectional layer"):
        layers_by_size("f", alike, {})
    assert len(layers_by_size("f", alike, {"direction": "forward"})) == 2
    assert len(layers_by_size("f", alike, {"direction": "bidirectional"})) == 1
    both = cells("a_0", "a_1", inputs=3) + cells("a_2", "a_3", inputs=8)
    assert [len(row) for row in layers_by_size("f", both, {})] == [2, 2]
    for wrong in (cells("a_0", "a_1", "a_2", inputs=3), both[:3]):
        with pytest.raises(
            BadModel, match=r"expected one .* network, whose later layers read 4 features, or 8"
        ):
            layers_by_size("f", wrong, {})
    with pytest.raises(BadModel, match="expected one bidirectional network"):
        layers_by_size("f", cells("a_0"), {"direction": "bidirectional"})


def test_a_part_ends_where_a_name_does() -> None:
    assert has_prefix("layers/lstm_1/cell", "layers/lstm_1")
    assert has_prefix("layers/lstm_1", "layers/lstm_1/")
    assert has_prefix("encoder.rnn", "encoder")
    assert not has_prefix("layers/lstm_10/cell", "layers/lstm_1")
    assert has_prefix("anything", "")


@pytest.mark.parametrize(
    ("name", "dialect"), [("tensorflow", TENSORFLOW_LEGACY.cells), ("flax", FLAX)]
)
def test_biases_that_are_there_are_not_dropped_by_saying_that_there_are_none(
    name: str, dialect: Any
) -> None:
    model = network("lstm", name, forget_bias=0.0)
    (w,) = model.params[0]
    stored = StoredCell("cell", "lstm", 3, 4, blocks_of(model.spec, dialect["lstm"], w))
    given = {"bias": False, "forget_bias": 0.0}
    with pytest.raises(BadModel, match="bias: False given, and there are biases that are not 0"):
        assembled("f", FORMATS[name], [[stored]], "float32", given=given)


# Flax and Equinox.


def test_flax_s_directions_are_known_by_their_names(tmp_path: Path) -> None:
    """``nn.Bidirectional`` without ``nn.compact`` stores the backward direction first."""
    nn, jax, to = library("flax.linen"), library("jax"), library("flax.serialization")
    mine = module("flax")

    class Stack(nn.Module):  # type: ignore[misc, name-defined]
        def setup(self) -> None:
            self.layers = [
                nn.Bidirectional(nn.RNN(nn.OptimizedLSTMCell(H)), nn.RNN(nn.OptimizedLSTMCell(H)))
                for _ in range(2)
            ]

        def __call__(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer(x)
            return x

    variables = Stack().init(jax.random.key(0), X)
    (tmp_path / "m.msgpack").write_bytes(to.to_bytes(variables))
    found = mine.read(tmp_path / "m.msgpack", {}, "")
    assert found.model.spec.direction == "bidirectional"
    why = agrees(found, np.asarray(Stack().apply(variables, X)))
    assert not why, why


def tree_of_flax(tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    to = library("flax.serialization")
    path, _ = of_flax(tmp_path, "lstm", both=False)
    tree = to.msgpack_restore(path.read_bytes())["params"]
    path.write_bytes(to.msgpack_serialize(change(tree)))
    return path


CELL = "OptimizedLSTMCell"
TREES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "two networks": (lambda t: {"encoder": t[f"{CELL}_0"], "decoder": t[f"{CELL}_1"]}, "are several networks"),
    "a leaf more": (lambda t: t | {f"{CELL}_1": t[f"{CELL}_1"] | {"hi": t[f"{CELL}_1"]["hi"] | {"scale": np.ones(2)}}},
                    "hi/scale given, expected only .* in a lstm cell"),
    "a layer left out": (lambda t: {f"{CELL}_0": t[f"{CELL}_0"], f"{CELL}_2": t[f"{CELL}_1"]}, "expected consecutive ones"),
    "moments beside it": (lambda t: {"params": t, "mu": t}, "are several networks"),
}  # fmt: skip


@pytest.mark.parametrize("what", TREES)
def test_a_tree_of_no_one_stack_is_refused(what: str, tmp_path: Path) -> None:
    mine = module("flax")
    change, complaint = TREES[what]
    with pytest.raises(BadModel, match=complaint):
        mine.read(tree_of_flax(tmp_path, change), {}, "")


def test_a_part_of_a_tree_with_a_counter_is_read(tmp_path: Path) -> None:
    mine = module("flax")
    path = tree_of_flax(tmp_path, lambda t: {"params": t, "opt": {"mu": t}, "step": 7})
    assert mine.read(path, {}, "params").model.spec.num_layers == 2


def test_leaves_that_claim_more_than_there_is_are_refused_before_they_are_read(
    tmp_path: Path,
) -> None:
    mine = module("equinox")
    path, _ = of_equinox(tmp_path, "lstm", both=False)
    whole = path.read_bytes()
    claim = whole[:128].replace(b"(24, 4), }" + b" " * 10, b"(24000000000, 4), }" + b" ", 1)
    assert claim != whole[:128]
    path.write_bytes(claim + whole[128:])
    with pytest.raises(BadModel, match=r"header claims 384,000,000,000 bytes, but"):
        mine.read(path, {}, "")


# ONNX's wiring.


def graph(tmp_path: Path, change: Callable[[Any, Any], None], **options: Any) -> Path:
    """Two LSTM nodes of I = H = 6, changed."""
    onnx = library("onnx")
    mine = module("onnx")
    path = tmp_path / "m.onnx"
    mine.write(path, network("lstm", "onnx", input_size=H, hidden_size=H, num_layers=2, **options))
    model = onnx.load(path)
    change(onnx, model.graph)
    onnx.save(model, path)
    return path


def between(onnx: Any, g: Any, kind: str, *more: str) -> None:
    """A node of this kind between the two layers."""
    second = next(n for n in g.node if n.name == "layer_1")
    g.node.append(onnx.helper.make_node(kind, [second.input[0], *more], ["between"]))
    second.input[0] = "between"


def parallel(onnx: Any, g: Any) -> None:
    next(n for n in g.node if n.name == "layer_1").input[0] = "x"


def held_state(onnx: Any, g: Any, which: int = 5, value: float = 0.5) -> None:
    node = next(n for n in g.node if n.name == "layer_0")
    node.input.extend([""] * (7 - len(node.input)))
    dtype = np.int32 if which == 4 else np.float32
    g.initializer.append(onnx.numpy_helper.from_array(np.full((1, 3, H), value, dtype), "held"))
    node.input[which] = "held"


def other_turn(onnx: Any, g: Any) -> None:
    turn = next(n for n in g.node if n.op_type == "Transpose")
    turn.attribute[0].ints[:] = [0, 1, 2, 3]


def of_units(onnx: Any, g: Any) -> None:
    next(a for a in g.node[0].attribute if a.name == "hidden_size").i = 7


def no_such_direction(onnx: Any, g: Any) -> None:
    next(a for a in g.node[0].attribute if a.name == "direction").s = b"sideways"


def as_gru(onnx: Any, g: Any) -> None:
    node = next(n for n in g.node if n.name == "layer_0")
    node.op_type = "GRU"
    del node.output[2:]


def peepholes(onnx: Any, g: Any) -> None:
    node = next(n for n in g.node if n.name == "layer_0")
    node.input.extend([""] * (7 - len(node.input)) + ["W.0"])


def other_facts(onnx: Any, g: Any) -> None:
    second = next(n for n in g.node if n.name == "layer_1")
    next(a for a in second.attribute if a.name == "direction").s = b"reverse"


GRAPHS: dict[str, tuple[Callable[[Any, Any], None], str]] = {
    "parallel nodes": (parallel, "form no chain"),
    "an activation between": (lambda o, g: between(o, g, "Relu"), "form no chain"),
    "a residual": (lambda o, g: between(o, g, "Add", "x"), "form no chain"),
    "a dense layer between": (lambda o, g: between(o, g, "MatMul", "W.0"), "form no chain"),
    "another change of shape": (other_turn, "expected .*Squeeze"),
    "an initial h": (held_state, "initial_h is stored in the graph, expected an input, 0 or none"),
    "an initial c": (lambda o, g: held_state(o, g, 6), "initial_c is stored in the graph"),
    "lengths": (lambda o, g: held_state(o, g, 4, 3), "sequence_lens is stored in the graph"),
    "another number of units": (of_units, "expected that of LSTM with 7 units"),
    "no such direction": (no_such_direction, "direction 'sideways' given, expected one of forward"),
    "an LSTM's weights in a GRU": (as_gru, "expected that of GRU"),
    "peepholes": (peepholes, "P given, which the specification lacks"),
    "layers in two directions": (other_facts, "'direction': 'reverse'.* given, expected .*'forward'"),
}  # fmt: skip


@pytest.mark.parametrize("what", GRAPHS)
def test_a_graph_of_no_stack_is_refused(what: str, tmp_path: Path) -> None:
    change, complaint = GRAPHS[what]
    path = graph(tmp_path, change)
    with pytest.raises(BadModel, match=complaint) as why:
        module("onnx").read(path, {}, "")
    assert str(path) in str(why.value)


def test_a_graph_is_read_along_its_wires_and_not_as_its_nodes_stand(tmp_path: Path) -> None:
    def turned(onnx: Any, g: Any) -> None:
        nodes = list(g.node)[::-1]
        del g.node[:]
        g.node.extend(nodes)

    want = network("lstm", "onnx", input_size=H, hidden_size=H, num_layers=2)
    found = module("onnx").read(graph(tmp_path, turned), {}, "").model
    np.testing.assert_array_equal(found.params[1][0].W_ih, want.params[1][0].W_ih)


def test_an_initial_state_of_0_is_none_and_a_part_is_one_node(tmp_path: Path) -> None:
    path = graph(tmp_path, lambda o, g: held_state(o, g, 5, 0.0))
    assert module("onnx").read(path, {}, "").model.spec.num_layers == 2
    assert module("onnx").read(graph(tmp_path, parallel), {}, "layer_1").model.spec.num_layers == 1


# Keras, PyTorch, the canonical layout.


def test_nothing_outside_an_h5_file_is_read(tmp_path: Path) -> None:
    h5py = library("h5py")
    mine = module("keras")
    path = tmp_path / "m.weights.h5"
    (tmp_path / "secret").write_bytes(bytes(4096))
    for made in ("external", "virtual", "claim", "integers"):
        mine.write(path, network("lstm", "keras", input_size=I, hidden_size=H))
        with h5py.File(path, "r+") as file:
            name = "layers/lstm/cell/vars/0"
            del file[name]
            if made == "external":
                file.create_dataset(
                    name, (I, 4 * H), "f4", external=[(str(tmp_path / "secret"), 0, 4 * I * 4 * H)]
                )
            elif made == "virtual":
                layout = h5py.VirtualLayout((I, 4 * H), "f4")
                layout[:] = h5py.VirtualSource(str(tmp_path / "no.h5"), "a", (I, 4 * H))
                file.create_virtual_dataset(name, layout)
            elif made == "claim":
                file.create_dataset(name, (10**6, 10**6), "f4", chunks=(10, 10))
            else:
                file[name] = np.ones((I, 4 * H), np.int32)
        said = {"claim": "claims 4,000,000,000,000 bytes", "integers": "int32 given"}.get(
            made, "outside the file"
        )
        with pytest.raises(BadModel, match=said):
            mine.read(path, {}, "")


def test_grus_of_two_kinds_are_refused(tmp_path: Path) -> None:
    h5py = library("h5py")
    mine = module("keras")
    path = tmp_path / "m.weights.h5"
    mine.write(path, network("gru-after", "keras", input_size=H, hidden_size=H, num_layers=2))
    with h5py.File(path, "r+") as file:
        bias = file["layers/gru_1/cell/vars/2"][()]
        del file["layers/gru_1/cell/vars/2"]
        file["layers/gru_1/cell/vars/2"] = bias[0]
    with pytest.raises(BadModel, match="GRUs with one bias and GRUs with two given"):
        mine.read(path, {}, "")


def test_a_part_of_a_state_dict_is_one_module(tmp_path: Path) -> None:
    torch = library("torch")
    mine = module("pytorch")
    lstm = torch.nn.LSTM(I, H).state_dict()
    gru = torch.nn.GRU(I, H).state_dict()
    torch.save(
        {f"a.{k}": t for k, t in lstm.items()} | {f"ab.{k}": t for k, t in gru.items()},
        tmp_path / "m.pt",
    )
    assert mine.read(tmp_path / "m.pt", {}, "a").model.spec.cell == "lstm"
    assert mine.read(tmp_path / "m.pt", {}, "ab.").model.spec.cell == "gru"


def test_what_a_parser_says_of_a_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = library("torch")
    module("pytorch")
    sparse = {k: t.to_sparse() for k, t in torch.nn.LSTM(I, H).state_dict().items()}
    torch.save(sparse, tmp_path / "m.pt")
    assert convert("m.pt", "m.safetensors") == ExitCode.HARNESS_ERROR
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(r"m\.pt: \w+: .*expected a state_dict with one", last)


def test_more_layers_than_tensors_are_refused_at_once(tmp_path: Path) -> None:
    from safetensors.numpy import save_file  # noqa: PLC0415

    spec = '{"cell": "gru", "input_size": 1, "hidden_size": 1, "num_layers": 1000000000}'
    save_file({"a": np.zeros(1, np.float32)}, tmp_path / "m.safetensors", {"spec": spec})
    with pytest.raises(BadModel, match="num_layers=1000000000 given, but the file has 1 tensors"):
        module("canonical").read(tmp_path / "m.safetensors")


# What is said of a conversion.


def test_numbers_beyond_a_dtype_make_it_impossible() -> None:
    model = network("lstm", "pytorch")
    large = model._replace(
        params=((model.params[0][0]._replace(W_ih=1e6 * model.params[0][0].W_ih),),)
    )
    with pytest.raises(
        Impossible, match=r"layers\.0\.forward\.W_ih has values beyond the range of float16"
    ):
        convert_model(large, FORMATS["pytorch"], "float16")
    w = model.params[0][0]
    assert w.b_ih is not None
    huge = np.full_like(w.b_ih, 3e38)
    folded = model._replace(params=((w._replace(b_ih=huge, b_hh=huge),),))
    with pytest.raises(Impossible, match="sums of biases are beyond the range of float32"):
        convert_model(folded, FORMATS["flax"], "float32")


def test_a_proof_is_of_both_sides() -> None:
    agrees_, differs = (Verdict(o, "", {}, None, {}) for o in ("agrees", "differs"))  # type: ignore[arg-type]
    assert Proof(agrees_, agrees_, 0.0).passes
    assert not Proof(differs, agrees_, 0.0).passes
    assert not Proof(agrees_, differs, 0.0).passes


def test_what_rounding_moves_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module("pytorch")
    of_pytorch(tmp_path, "lstm", both=True)
    assert convert("tagger.pt", "half.pt", "--dtype", "float16") == ExitCode.CLEAN
    moved = re.search(r"outputs: at most ([\d.]+) of the bound", capsys.readouterr().out)
    assert moved is not None
    assert float(moved[1]) > 0.01


def test_what_no_file_says_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module("flax")
    of_flax(tmp_path, "gru-after", both=True)
    assert convert("model.msgpack", "m.safetensors") == ExitCode.CLEAN
    printed = capsys.readouterr().out
    assert "default settings assumed, because such files do not store them: activations" in printed
    assert "GRUCell_0 and params/GRUCell_1 → params/GRUCell_2 and params/GRUCell_3" in printed


def test_a_forget_bias_is_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert convert("a.pt", "b.pt", "--spec", "forget_bias=nan") == ExitCode.HARNESS_ERROR
    assert "expected a number" in capsys.readouterr().err
