"""The environment of a run: what its figures depend on, told without importing any framework."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from importlib import import_module, metadata
from pathlib import Path

import msgspec

from records.schema import Environment

PACKAGES = (
    "numpy", "scipy", "ml_dtypes", "msgspec", "onnx", "onnxruntime",
    "torch", "triton",
    "tensorflow", "tensorflow-cpu", "tf-keras", "keras",
    "jax", "jaxlib", "jax-cuda12-plugin", "jax-cuda13-plugin", "flax",
    "nvidia-cudnn-cu12", "nvidia-cudnn-cu13", "nvidia-cublas-cu12", "nvidia-cublas",
)  # fmt: skip
"""Distributions whose version a figure may depend on."""

FLAG_PREFIXES = (
    "ATEN_CPU_CAPABILITY", "BLIS_", "CUBLAS", "CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES",
    "CUDNN_", "DNNL_", "GOMP_", "GOTO_NUM_THREADS", "JAX_", "KERAS_BACKEND", "KMP_", "MKL_",
    "NPY_", "NVIDIA_TF32_OVERRIDE", "OMP_", "ONEDNN_", "OPENBLAS_", "PYTORCH_", "TF_", "TORCH_",
    "VECLIB_", "XLA_",
)  # fmt: skip
"""Environment variables that change arithmetic, threads or compilation start with one of these."""

NOT_FLAGS = re.compile(r"^TF_(CLI|CPP|LOG|VAR)|_(DIR|PATH|HOME)$|TOKEN|SECRET|PASSW|CREDENTIAL|KEY")
"""Of those, the ones that do not, and the ones that a published page must not show."""


def environment() -> Environment:
    """The machine and software of this process.

    Call it after the framework is imported: ``threads`` has only the pools that are loaded.
    """
    gpu, driver = _gpu()
    return Environment(
        cpu=_cpu(),
        cores=available_cores(),
        memory_bytes=_memory_bytes(),
        gpu=gpu,
        driver=driver,
        os=platform.platform(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages=_packages(),
        threads=_threads(),
        flags=flags(os.environ),
    )


def fingerprint(environment: Environment) -> str:
    """Twelve hexadecimal digits of ``environment``: the same for the same content, in any order.

    Memory counts in whole GiB, since what the kernel keeps for itself changes from boot to boot.
    """
    gib = round(environment.memory_bytes / 2**30)
    content = msgspec.structs.replace(environment, memory_bytes=gib)
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:12]


def suite_commit(root: Path = Path(__file__).parents[1]) -> str | None:
    """The commit of the checkout at ``root``, with ``-dirty`` where files differ from it.

    None where ``root`` is not the top of a git checkout, or has no commit yet.
    """
    lines = _output("git", "-C", str(root), "rev-parse", "--show-prefix", "HEAD").splitlines()
    if len(lines) != 2 or lines[0]:  # a prefix: some other checkout that root lies in
        return None
    return lines[1] + ("-dirty" if _output("git", "-C", str(root), "status", "--porcelain") else "")


def flags(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment variables among ``variables`` that change what is computed, and how."""
    return {
        name: value
        for name, value in sorted(variables.items())
        if name.startswith(FLAG_PREFIXES) and not NOT_FLAGS.search(name)
    }


def _output(*command: str) -> str:
    """What ``command`` prints; empty where it is not installed, fails or hangs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return model[1].strip() if model else platform.processor() or platform.machine()


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int:
    """Physical memory; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def _gpu() -> tuple[str | None, str | None]:
    """Names of the GPUs and version of their driver, as nvidia-smi tells them."""
    text = _output("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    rows = [line.rsplit(", ", 1) for line in text.splitlines()]
    if not rows or any(len(row) != 2 for row in rows):
        return None, None
    names = Counter(name for name, _ in rows)
    gpu = ", ".join(f"{n} × {name}" if n > 1 else name for name, n in names.items())
    return gpu, rows[0][1]


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _threads() -> dict[str, int]:
    """Threads of each pool under its library's name and version; empty without threadpoolctl."""
    try:
        pools = import_module("threadpoolctl").threadpool_info()
    except ImportError:
        return {}
    threads: dict[str, int] = {}
    for pool in sorted(pools, key=lambda pool: str(pool["filepath"])):
        name = f"{pool['prefix']} {pool['version'] or ''}".strip()
        while name in threads:
            name += " again"
        threads[name] = pool["num_threads"]
    return threads
