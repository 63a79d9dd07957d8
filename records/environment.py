"""Describe the environment of a run, without importing any framework."""

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
"""Distributions whose version may change a result or a time."""

FLAG_PREFIXES = (
    "ATEN_CPU_CAPABILITY", "BLIS_", "CUBLAS", "CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES",
    "CUDNN_", "DNNL_", "GOMP_", "GOTO_NUM_THREADS", "JAX_", "KERAS_BACKEND", "KMP_", "MKL_",
    "NPY_", "NVIDIA_TF32_OVERRIDE", "OMP_", "ONEDNN_", "OPENBLAS_", "PYTORCH_", "TF_", "TORCH_",
    "VECLIB_", "XLA_",
)  # fmt: skip
"""Prefixes of environment variables that change arithmetic, threads or compilation."""

NOT_FLAGS = re.compile(r"^TF_(CLI|CPP|LOG|VAR)|_(DIR|PATH|HOME)$|TOKEN|SECRET|PASSW|CREDENTIAL|KEY")
"""Variables with such a prefix that change no result, or that a published page must not show."""


def environment() -> Environment:
    """Describe the machine and the software of this process.

    Call this after importing the framework: ``threads`` lists only the thread pools that are loaded.

    Returns:
        The environment, as the header of a run file stores it.

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
    """Hash an environment: equal content gives equal digits, in any order of its entries.

    Memory is rounded to whole GiB, because the part that the kernel reserves varies from boot to boot.

    Args:
        environment: the environment to hash.

    Returns:
        Twelve hexadecimal digits.

    """
    gib = round(environment.memory_bytes / 2**30)
    content = msgspec.structs.replace(environment, memory_bytes=gib)
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:12]


def suite_commit(root: Path = Path(__file__).parents[1]) -> str | None:
    """Return the git commit of a checkout.

    Args:
        root: top folder of the checkout.

    Returns:
        The commit hash, with ``-dirty`` appended where files differ from it; None where ``root`` is not the
        top of a git checkout or has no commit yet.

    """
    lines = _output("git", "-C", str(root), "rev-parse", "--show-prefix", "HEAD").splitlines()
    if len(lines) != 2 or lines[0]:  # a prefix: some other checkout that root lies in
        return None
    return lines[1] + ("-dirty" if _output("git", "-C", str(root), "status", "--porcelain") else "")


def flags(variables: Mapping[str, str]) -> dict[str, str]:
    """Select the environment variables that change results or times.

    Args:
        variables: environment variables by name.

    Returns:
        The selected variables, sorted by name.

    """
    return {
        name: value
        for name, value in sorted(variables.items())
        if name.startswith(FLAG_PREFIXES) and not NOT_FLAGS.search(name)
    }


def _output(*command: str) -> str:
    """Run a command and return its output; an empty string if it is missing, fails or hangs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _cpu() -> str:
    """Return the name of the CPU model."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return model[1].strip() if model else platform.processor() or platform.machine()


def available_cores() -> int:
    """Count the cores that this process may use.

    Returns:
        The number of cores in the process's affinity mask, or in the machine where there is no mask.

    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int:
    """Return the size of physical memory in bytes; 0 where the system does not report it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def _gpu() -> tuple[str | None, str | None]:
    """Return the names of the GPUs and their driver version, as nvidia-smi reports them."""
    text = _output("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    rows = [line.rsplit(", ", 1) for line in text.splitlines()]
    if not rows or any(len(row) != 2 for row in rows):
        return None, None
    names = Counter(name for name, _ in rows)
    gpu = ", ".join(f"{n} × {name}" if n > 1 else name for name, n in names.items())
    return gpu, rows[0][1]


def _packages() -> dict[str, str]:
    """Return the version of every installed distribution of ``PACKAGES``."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _threads() -> dict[str, int]:
    """Return the threads of each pool by library and version; empty without threadpoolctl."""
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
