"""The environment: described without importing a framework, and identified by its fingerprint."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sample_runs as sample

from records import environment as module
from records.environment import environment, fingerprint, flags, suite_commit

ROOT = Path(__file__).parents[2]


def test_the_environment_of_this_machine() -> None:
    seen = environment()
    assert seen.cpu
    assert 1 <= seen.cores <= (os.cpu_count() or 1)
    assert seen.memory_bytes > 2**28
    assert seen.packages["numpy"]
    assert re.fullmatch(r"[0-9a-f]{12}", fingerprint(seen))
    assert fingerprint(environment()) == fingerprint(seen), "the same from call to call"


def test_no_framework_is_imported() -> None:
    program = (
        "import sys; from records.environment import environment; environment();"
        "print(*{'numpy'} & set(sys.modules));"
        "import rnnspec.report;"
        "print(*{'torch', 'tensorflow', 'jax', 'keras'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not done.stdout.split(), "installed versions are read without importing the packages"


@pytest.mark.parametrize(
    "change",
    [
        {"cpu": "other"},
        {"cores": 15},
        {"memory_bytes": 64 * 2**30},
        {"gpu": "NVIDIA H200"},
        {"driver": "1"},
        {"os": "other"},
        {"python": "CPython 3.12.0"},
        {"packages": {"numpy": "2.4.6", "torch": "2.13.1", "msgspec": "0.22.0"}},
        {"threads": {"libgomp": 16}},
        {"flags": {}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_difference_shows_in_the_fingerprint(change: dict[str, object]) -> None:
    assert fingerprint(sample.environment(**change)) != fingerprint(sample.environment())


def test_order_and_a_few_pages_of_memory_do_not_show() -> None:
    same = sample.environment(
        packages=dict(reversed(sample.environment().packages.items())),
        memory_bytes=128 * 2**30 - 5 * 2**20,
    )
    assert fingerprint(same) == fingerprint(sample.environment())


def test_flags_are_those_that_change_arithmetic_and_no_secrets() -> None:
    kept = {
        "OMP_NUM_THREADS": "4",
        "MKL_CBWR": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "XLA_FLAGS": "--xla",
        "JAX_ENABLE_X64": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "NVIDIA_TF32_OVERRIDE": "0",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "DNNL_VERBOSE": "1",
    }
    dropped = dict.fromkeys(
        ("HOME", "PATH", "TF_VAR_password", "TF_TOKEN_host", "TF_CPP_MIN_LOG_LEVEL",
         "JAX_COMPILATION_CACHE_DIR", "MY_OMP_NUM_THREADS"), "no")  # fmt: skip
    assert flags(kept | dropped) == dict(sorted(kept.items()))


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("", (None, None)),
        ("NVIDIA H200, 580.65.06\n", ("NVIDIA H200", "580.65.06")),
        ("A, 1\nA, 1\nB, 1\n", ("2 × A, B", "1")),
        ("No devices were found\n", (None, None)),
    ],
)
def test_gpus(
    printed: str, expected: tuple[str | None, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_output", lambda *_: printed)
    seen = environment()
    assert (seen.gpu, seen.driver) == expected


def git(folder: Path, *arguments: str) -> str:
    named = ("-c", "user.name=n", "-c", "user.email=e")
    done = subprocess.run(
        ["git", "-C", str(folder), *named, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_commit_of_the_suite(tmp_path: Path) -> None:
    assert suite_commit(tmp_path) is None, "no checkout"
    git(tmp_path, "init", "-q")
    assert suite_commit(tmp_path) is None, "no commit yet"
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert suite_commit(tmp_path) == commit
    (tmp_path / "new").write_text("1")
    assert suite_commit(tmp_path) == f"{commit}-dirty"
    (tmp_path / "new").unlink()
    (tmp_path / "file").write_text("2")
    assert suite_commit(tmp_path) == f"{commit}-dirty"
    (tmp_path / "inside").mkdir()
    assert suite_commit(tmp_path / "inside") is None, "a folder of another checkout"


def test_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert suite_commit() is None
