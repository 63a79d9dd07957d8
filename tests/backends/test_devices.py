"""Devices and precision of the adapters: what is set, what is refused, and what can be shown without a GPU."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from backends import BACKENDS, DeviceNotFound, find
from backends.adapter import PRECISIONS, kind_of, number_of
from backends.dialects import JAX_CUDNN, TENSORFLOW_CUDNN
from benchmarks.timing.gpu_clock import parse_line, read_state
from conformance.cases import by_id
from conformance.check import check
from conformance.draw import draw
from conformance.open_backend import OpenBackend
from conformance.session.options import backend_names
from reference import run, vjp
from reference.trees import named

MODULES = {"tensorflow": "tensorflow", "pytorch": "torch", "jax": "jax"}
LSTM = "gradients/many-rows/lstm/float32"
GRU = "gradients/many-rows/gru-after/float32"


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("truth"))
        yield


def adapter(name: str) -> Any:
    extra = BACKENDS[name].extra
    pytest.importorskip(MODULES[extra], reason=f"{extra} is not installed here")
    return find(name)


def test_a_device_has_a_kind_and_a_number() -> None:
    assert [(kind_of(d), number_of(d)) for d in ("cpu", "cuda", "cuda:3")] == [
        ("cpu", 0), ("cuda", 0), ("cuda", 3),
    ]  # fmt: skip


def test_a_framework_s_backends_are_those_of_the_device() -> None:
    for extra in MODULES:
        here, there = (backend_names([], extra, device) for device in ("cpu", "cuda:0"))
        assert set(here) < set(there), f"{extra}: {here} on a CPU, {there} on CUDA"
        assert not any("cudnn" in name for name in here)
    assert "jax_cudnn" in backend_names(["jax_cudnn"], None, "cpu"), (
        "asked for by name, it is opened"
    )


@pytest.mark.parametrize("name", BACKENDS)
def test_a_device_that_is_not_there_is_refused_with_what_is(name: str) -> None:
    cls = adapter(name)
    with pytest.raises(DeviceNotFound, match=r"device 'cuda:99': .*found"):
        cls("cuda:99")


@pytest.mark.parametrize(
    "name", [n for n, e in BACKENDS.items() if "cpu" not in e.dialect.arithmetic]
)
def test_what_needs_cuda_is_refused_on_a_cpu(name: str) -> None:
    cls = adapter(name)
    with pytest.raises(DeviceNotFound, match=r"device 'cpu': .* cuda"):
        cls("cpu")


@pytest.mark.parametrize("name", ["pytorch", "pytorch_cells", "pytorch_native"])
def test_pytorch_s_switches_are_set_for_every_call(name: str) -> None:
    cls = adapter(name)
    device = import_module("backends.pytorch.device")
    made = cls("cpu")
    wanted = {
        "ieee": {"ieee"},
        "tf32": {"ieee", "tf32"},
        "default": {v for k, v in device.DEFAULTS.items() if k.endswith("fp32_precision")},
    }
    for precision in PRECISIONS:
        made._set(precision)
        seen = device.settings()
        found = {k: v for k, v in seen.items() if k.endswith("fp32_precision")}
        assert set(found.values()) <= wanted[precision], f"{precision}: {found}"
        on_cuda = {k: v for k, v in found.items() if k.startswith("torch.backends.cu")}
        if precision == "tf32":
            assert set(on_cuda.values()) == {"tf32"}, on_cuda
        if precision == "default":
            assert found == {k: device.DEFAULTS[k] for k in found}
        libraries = str(name != "pytorch_native")
        assert seen["torch.backends.cudnn.enabled"] == libraries
        assert seen["torch.backends.mkldnn.enabled"] == libraries
    call = made.load(draw(by_id(LSTM)))
    other = cls("cpu").load(draw(by_id(LSTM.replace("float32", "default"))))
    other()
    call()
    found = device.settings()
    assert found["torch.backends.cudnn.rnn.fp32_precision"] == "ieee", "that of the latest call"


@pytest.mark.parametrize(
    "case",
    [
        LSTM,
        GRU,
        LSTM.replace("float32", "float16"),
        "tutorial/000-outputs/every/softmax/lstm/float32",
    ],
)
def test_pytorch_s_own_kernels_agree_and_say_so(case: str) -> None:
    made = adapter("pytorch_native")("cpu")
    record = check(by_id(case), OpenBackend("pytorch_native", "cpu", made))
    assert record.outcome == "agrees", record.reason
    assert "PyTorch's own kernels" in record.ran
    after = check(by_id(LSTM), OpenBackend("pytorch", "cpu", adapter("pytorch")("cpu")))
    assert after.outcome == "agrees"
    assert "own kernels" not in after.ran


@pytest.mark.parametrize("name", ["jax_scan", "jax_vjp", "tensorflow_while", "pytorch"])
def test_what_is_so_by_default_runs_and_is_named(name: str) -> None:
    made = adapter(name)("cpu")
    record = check(by_id(LSTM.replace("float32", "default")), OpenBackend(name, "cpu", made))
    assert (record.outcome, record.fingerprint) == ("agrees", "float32"), record.reason
    assert record.ran.endswith("as they are unless told"), record.ran


def test_jax_s_precision_is_set_for_every_call() -> None:
    cls = adapter("jax_scan")
    jax, matmul = import_module("jax"), import_module("backends.jax.device").MATMUL
    made = cls("cpu")
    calls = {p: made.load(draw(by_id(LSTM.replace("float32", d)))) for p, d in
             (("ieee", "float32"), ("default", "default"))}  # fmt: skip
    for precision in ("ieee", "default", "ieee"):
        calls[precision]()
        assert jax.config.jax_default_matmul_precision == matmul[precision]
    assert matmul["ieee"] == "highest"


def test_tensorflow_s_precision_is_set_for_every_call() -> None:
    cls = adapter("tensorflow_while")
    tf, default = import_module("tensorflow"), import_module("backends.tensorflow.adapter").TF32
    made = cls("cpu")
    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    calls = {d: made.load(draw(by_id(LSTM.replace("float32", d)))) for d in ("float32", "default")}
    for dtype, wanted in (("float32", False), ("default", default), ("float32", False)):
        calls[dtype]()
        assert enabled() == wanted


# cuDNN's, as far as a CPU can show it.

CUDNN = (
    "lstm/1-layer/forward/full/pad-none/no-state/bias/batch-major/b4-t9-i19-h17/float32",
    "lstm/2-layer/bidirectional/ragged/pad-zero/state/bias/time-major/b4-t9-i19-h17/float32",
    "lstm-forget/3-layer/bidirectional/short/pad-zero/state/no-bias/batch-major/b5-t5-i4-h6/float32",
)


@pytest.mark.parametrize("case", CUDNN)
def test_jax_s_cudnn_has_its_weights_in_order(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checked with JAX's CPU reference of the same call, which reads the same vector of weights."""
    adapter("jax_cudnn")
    jax, rnn = import_module("jax"), import_module("jax.experimental.rnn")
    cudnn, parameters = (import_module(f"backends.jax.{name}") for name in ("cudnn", "parameters"))
    differentiate = import_module("backends.jax.recurrent").differentiate

    def by_reference(x: Any, h0: Any, c0: Any, weights: Any, ends: Any, *sizes: Any) -> Any:
        inputs, units, layers, dropout, both = sizes
        unpacked = rnn.unpack_lstm_weights(weights, inputs, units, layers, both)
        return rnn.lstm_ref(x, h0, c0, *unpacked, ends, inputs, units, layers, dropout, both)

    monkeypatch.setattr(rnn, "lstm", by_reference)
    inputs = draw(by_id("gradients/" + case))
    assert inputs.incoming is not None
    spec = inputs.spec
    with jax.enable_x64(True):
        blocks = parameters.blocks(JAX_CUDNN, spec, inputs.params)
        incoming = inputs.incoming.y, (inputs.incoming.h_n, inputs.incoming.c_n)
        (y, states), (d_blocks, dx, dh0, dc0, *_) = differentiate(
            cudnn.network, spec, blocks, inputs.x, inputs.h0, inputs.c0, inputs.lengths, incoming
        )
    expected = run(
        spec, inputs.params, inputs.x, h0=inputs.h0, c0=inputs.c0, lengths=inputs.lengths
    )
    for got, wanted in zip((y, *states), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)
    _, pullback = vjp(
        spec, inputs.params, inputs.x, h0=inputs.h0, c0=inputs.c0, lengths=inputs.lengths
    )
    d = pullback(inputs.incoming)
    np.testing.assert_allclose(dx, d.x, rtol=1e-9, atol=1e-12)
    for got, wanted in ((dh0, d.h0), (dc0, d.c0)):
        assert (got is None) == (wanted is None)
        if wanted is not None:
            np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)
    found = named(parameters.gradients(JAX_CUDNN, spec, inputs.params, d_blocks), "d")
    for name, wanted in named(d.params, "d").items():
        np.testing.assert_allclose(found[name], wanted, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("cell", ["vanilla-tanh", "gru-after", "lstm"])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("layout", ["batch-major", "time-major"])
def test_tensorflow_s_cudnn_is_built_with_its_gradients(
    cell: str, direction: str, layout: str
) -> None:
    """Checks graph, shapes and order of weights; a CPU has no kernel to run it."""
    adapter("tensorflow_cudnn")
    tf, cudnn = import_module("tensorflow"), import_module("backends.tensorflow.unrolling.cudnn")
    rnn = import_module("backends.tensorflow.recurrent")
    inputs = draw(by_id(
        f"gradients/{cell}/2-layer/{direction}/ragged/pad-zero/state/bias/{layout}/b4-t9-i19-h17/float32"
    ))  # fmt: skip
    spec, recurrence = inputs.spec, rnn.Recurrence(cudnn.Cudnn(), TENSORFLOW_CUDNN)
    with tf.Graph().as_default() as graph:
        program = rnn.bare(recurrence, spec, inputs.params, "float32")
        feeds = {"x": inputs.x, "lengths": inputs.lengths, "h0": inputs.h0, "c0": inputs.c0}
        feeds |= {f"d{name}": d for name, d in inputs.incoming._asdict().items()}
        places = {
            name: tf.compat.v1.placeholder(tf.int32 if name == "lengths" else tf.float32, a.shape)
            for name, a in feeds.items()
            if a is not None
        }
        found = program.call(places)
        operations = [op for op in graph.get_operations() if op.type.startswith("CudnnRNN")]
    assert [op.type for op in operations] == ["CudnnRNNV3", "CudnnRNNBackpropV3"]
    assert operations[0].get_attr("rnn_mode").decode() == cudnn.mode(spec)
    assert operations[0].get_attr("time_major") == (layout == "time-major")
    shapes = {name: tuple(t.shape) for name, t in found.items() if name != "dparams"}
    rows = spec.num_layers * spec.num_directions
    assert shapes["y"] == (*inputs.x.shape[:2], spec.num_directions * spec.hidden_size)
    assert shapes["h_n"] == (rows, 4, spec.hidden_size)
    assert shapes["dx"] == inputs.x.shape
    assert [v.shape for v in found["dparams"]] == [v.shape for v in program.variables]

    cells = recurrence.make(spec, inputs.params, "float64", "order")
    for number, variable in enumerate(v for layer in cells for c in layer for v in c.variables):
        variable.assign(tf.fill(variable.shape, tf.constant(float(number), tf.float64)))
    values = cudnn.flat(cells).numpy()
    changes = np.flatnonzero(np.diff(values)) + 1
    order = values[np.concatenate([[0], changes])]
    matrices = [4 * row + part for row in range(rows) for part in (0, 1)]
    biases = [4 * row + part for row in range(rows) for part in (2, 3)]
    assert order.tolist() == [*matrices, *biases]


# What a GPU tells of itself.

LINES: dict[str, tuple[str, Any]] = {
    "at full speed": ("1980, 1980, 0x0000000000000000, 45, 310.52", (1980, 1980, [], 45, 310.52)),
    "idle": ("345, 1980, 0x0000000000000001, 30, 70.1", (345, 1980, [], 30, 70.1)),
    "held down": ("1200, 1980, 0x0000000000000024, 88, 699.9",
                  (1200, 1980, ["power", "temperature"], 88, 699.9)),
    "telling little": ("[N/A], [N/A], [N/A], 45, [N/A]", (None, None, None, 45, None)),
}  # fmt: skip


@pytest.mark.parametrize("what", LINES)
def test_what_a_gpu_says_is_read(what: str) -> None:
    line, (clock, most, held, degrees, watts) = LINES[what]
    found = parse_line(line)
    assert found is not None
    assert (found.clock_mhz, found.most_clock_mhz, found.held_by) == (clock, most, held)
    assert (found.degrees, found.watts) == (degrees, watts)


@pytest.mark.parametrize("line", ["", "No devices were found", "1, 2, 3", "1, 2, 3, 4, 5, 6"])
def test_what_no_gpu_says_is_none(line: str) -> None:
    assert parse_line(line) is None


def test_without_nvidia_smi_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert read_state(0) is None
