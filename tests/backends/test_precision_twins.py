"""float32 cases in TF32 and in the framework's default precision: their arithmetic and their names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import EllipsisType

import fakes
import numpy as np
import pytest

from backends import AnyInputs, Dialect, Unsupported
from backends.adapter import PRECISIONS, Typed
from backends.dialects import JAX, KINDS
from conformance.cases import (
    OTHER_PRECISIONS,
    Case,
    TrainingCase,
    by_id,
    default_cases,
    full_cases,
    precision_variants,
)
from conformance.cases.precision_variants import original_id, precision_variant
from conformance.check import check
from conformance.draw import digest, draw
from conformance.open_backend import OpenBackend
from conformance.truth import truth
from reference.rounding import ARITHMETICS
from tests.conformance.test_front_end import conformance, fake

DEFAULT = default_cases("cuda")
FLOAT32 = [c for c in DEFAULT if c.dtype == "float32" and not isinstance(c, TrainingCase)]
DEEP = "deep-sum/lstm/"
WIDE = "lstm-forget/1-layer/forward/full/pad-none/state/bias/batch-major/b4-t9-i19-h17/"


class OnCuda(fakes.Right):
    """NumPy that says it is on CUDA, and is asked for TF32."""

    def __init__(self, device: str) -> None:
        super().__init__("cpu")
        self.kind = "cuda"


class Tf32OnCuda(OnCuda):
    """A backend that multiplies in TF32, whatever the precision given."""

    kernel = fakes.Tf32Kernel


class Bfloat16OnCuda(OnCuda):
    """A backend that multiplies in bfloat16, whatever the precision given."""

    kernel = fakes.Bfloat16Kernel


class Tf32OnCpu(fakes.Right):
    """A backend that multiplies in TF32 on a CPU."""

    kernel = fakes.Tf32Kernel


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("truth"))
        yield


def test_every_float32_case_that_is_no_training_has_a_twin_in_each_precision() -> None:
    found = list(precision_variants(DEFAULT))
    assert len(FLOAT32) > 60
    assert {t.id for t in found} == {
        f"{c.id.removesuffix('float32')}{name}" for c in FLOAT32 for name in OTHER_PRECISIONS
    }
    for t in found:
        assert t.named_dtype == t.precision == t.id.rpartition("/")[2]
        assert t.dtype == "float32"
        assert by_id(t.id) == t, f"{t.id} does not lead back to its case"
        assert by_id(original_id(t.id)) == replace(t, id=original_id(t.id), precision="ieee")


def test_only_a_twin_has_another_s_arrays() -> None:
    assert all(original_id(case.id) == case.id for case in DEFAULT)
    assert not any(case.precision != "ieee" for case in full_cases())


@pytest.mark.parametrize("case", FLOAT32[::9], ids=lambda case: case.id)
def test_a_twin_has_the_arrays_of_its_original_and_its_truth(case: Case) -> None:
    original = draw(case)
    for precision in OTHER_PRECISIONS:
        inputs = draw(precision_variant(case, precision))
        if digest(inputs) != digest(original):
            continue  # one that says enough in TF32 where the original does not
        assert inputs.precision == precision
        assert replace(inputs, precision="ieee").named_dtype == "float32"
        assert truth(inputs).version == truth(original).version


def test_most_twins_have_the_arrays_of_their_originals() -> None:
    other = [
        t.id
        for t in precision_variants(DEFAULT)
        if digest(draw(t)) != digest(draw(by_id(original_id(t.id))))
    ]
    assert len(other) < len(FLOAT32), (
        f"{len(other)} of {2 * len(FLOAT32)} are drawn anew: {other[:5]}"
    )


def test_twins_in_both_precisions_have_the_same_arrays() -> None:
    for case in FLOAT32:
        tf32, default = (
            digest(draw(precision_variant(case, precision))) for precision in ("tf32", "default")
        )
        assert tf32 == default, f"{case.id}: two draws, and two truths to compute"


@pytest.mark.parametrize(
    "case_id",
    ["training/forecasting/sgd/tf32", "lstm/tf32", f"{DEEP}tf33", f"fuzz/{WIDE}tf32"],
)
def test_what_has_no_twin_is_refused(case_id: str) -> None:
    with pytest.raises(ValueError, match="case '"):
        by_id(case_id)


def test_a_case_in_another_dtype_has_no_twin() -> None:
    with pytest.raises(ValueError, match="expected a float32 case"):
        precision_variant(by_id(f"{DEEP}float16"), "tf32")
    with pytest.raises(ValueError, match="expected a float32 case"):
        precision_variant(by_id("training/forecasting/sgd/float32"), "tf32")


def ends(fake: type[fakes.Right], case_id: str) -> tuple[str, str | None, str]:
    """Outcome, fingerprint, and what the backend declares."""
    made = fake("cpu")
    record = check(by_id(case_id), OpenBackend("fake", made.kind, made))
    assert record.dtype == by_id(case_id).named_dtype
    return record.outcome, record.fingerprint, record.arithmetic


@pytest.mark.parametrize("stem", [DEEP, WIDE])
@pytest.mark.parametrize(
    ("fake", "dtype", "expected"),
    [
        (OnCuda, "tf32", ("agrees", "float32", "tf32")),
        (OnCuda, "default", ("agrees", "float32", "tf32")),
        (Tf32OnCuda, "float32", ("differs", "tf32", "float32")),
        (Tf32OnCuda, "tf32", ("agrees", "tf32", "tf32")),
        (Tf32OnCuda, "default", ("agrees", "tf32", "tf32")),
        (Bfloat16OnCuda, "tf32", ("differs", ..., "tf32")),
        (Bfloat16OnCuda, "default", ("differs", ..., "tf32")),
        (fakes.Right, "default", ("agrees", "float32", "float32")),
        (Tf32OnCpu, "default", ("differs", "tf32", "float32")),
        (fakes.Right, "tf32", ("unsupported", None, "")),
    ],
)
def test_each_precision_is_held_to_what_is_declared_and_named_by_what_it_is(
    fake: type[fakes.Right],
    dtype: str,
    expected: tuple[str, str | EllipsisType | None, str],
    stem: str,
) -> None:
    outcome, fingerprint, arithmetic = ends(fake, stem + dtype)
    assert (outcome, arithmetic) == (expected[0], expected[2])
    if expected[1] is not ...:  # of bfloat16's operands, one of the coarser ones
        assert fingerprint == expected[1]


@pytest.mark.processes
def test_the_precisions_are_run_where_they_are_asked_for(tmp_path: Path) -> None:
    asked = ("--backend", fake("Right"), "--case", "gru-after/1-layer/forward/*", "--jobs", "0")
    default = conformance(tmp_path, *asked, "--dtype", "default", "--dtype", "float32")
    assert default.code == 0, default.printed
    found = {name: r.dtype for name, r in default.records.items()}
    assert set(found.values()) == {"float32", "default"}
    assert {name for name, dtype in found.items() if dtype == "default"} == {
        name.replace("/float32", "/default") for name, dtype in found.items() if dtype == "float32"
    }
    (tmp_path / "plain").mkdir()
    plain = conformance(tmp_path / "plain", *asked)
    assert {r.dtype for r in plain.records.values()} == {
        "float64",
        "float32",
        "float16",
        "bfloat16",
    }


def test_a_backend_is_not_run_where_its_dialect_says_that_it_does_not() -> None:
    class Runs(fakes.Right):
        def load(self, inputs: AnyInputs) -> object:
            raise AssertionError("it was asked for TF32 on a CPU")

    record = check(by_id(f"{DEEP}tf32"), OpenBackend("runs", "cpu", Runs("cpu")))
    assert record.outcome == "unsupported", record.reason
    assert record.reason == (
        "dtype: on cpu it runs float64, float32, float16, bfloat16, default, not tf32"
    )


def test_a_dialect_is_of_kinds_of_devices() -> None:
    for kind, held in JAX.arithmetic.items():
        assert kind in KINDS
        assert set(held.values()) <= set(ARITHMETICS)
    with pytest.raises(
        ValueError, match=r"arithmetic: \['float32'\] given, expected kinds of devices"
    ):
        replace(JAX, arithmetic={"float32": "float32"})
    assert isinstance(JAX, Dialect)
    assert (
        JAX.held_to("tf32", "cpu")
        == JAX.held_to("float8", "cuda")
        == JAX.held_to("float32", "tpu")
        == ""
    )


def test_an_adapter_says_which_kind_of_device_it_is_on() -> None:
    with pytest.raises(Exception, match="opened on cuda, but the adapter says cpu"):
        OpenBackend("right", "cuda:1", fakes.Right("cpu"))


def test_every_precision_has_a_name_of_its_own() -> None:
    class One(Typed):
        dtype, precision = "float32", "ieee"

    assert One().named_dtype == "float32"
    assert PRECISIONS["ieee"] == ""
    assert len({*PRECISIONS.values()}) == len(PRECISIONS)
    for name in OTHER_PRECISIONS:
        one = One()
        one.precision = name
        assert one.named_dtype == name


def test_a_twin_is_no_option_that_is_ignored() -> None:
    """A backend that knows nothing of precision runs ``default``, and is refused the rest."""
    inputs = draw(by_id(f"{DEEP}tf32"))
    with pytest.raises(Unsupported, match="not tf32"):
        fakes.Right("cpu").load(inputs)
    found = fakes.Right("cpu").run(draw(by_id(f"{DEEP}default")))
    np.testing.assert_array_equal(
        found.tensors["y"], fakes.Right("cpu").run(draw(by_id(f"{DEEP}float32"))).tensors["y"]
    )
