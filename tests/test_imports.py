"""Who may import what: the table of the architecture, and no framework unless it is asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from backends import BACKENDS, EXTRAS

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

STOREYS: dict[str, tuple[set[str], set[str] | None]] = {
    "reference": (set(), {"numpy"}),
    "records": (set(), {"msgspec", "threadpoolctl"}),
    "commands": ({"records"}, {"click", "rich", "rich_click"}),
    "backends": ({"reference", "commands"}, {"numpy"}),
    "formats": ({"reference", "backends"}, {"numpy", "safetensors"}),
    "reports": ({"records", "commands"}, {"jinja2", "markupsafe", "msgspec", "rich"}),
    "conformance": ({"reference", "records", "commands", "backends", "formats", "reports"}, None),
    "fleet": ({"reference", "records", "commands", "backends", "conformance"}, None),
    "evidence": (
        {"reference", "records", "commands", "backends", "reports", "conformance", "fleet"},
        None,
    ),
    "porting": (
        {"reference", "records", "commands", "backends", "formats", "reports", "conformance"},
        None,
    ),
    "benchmarks": (
        {"reference", "records", "commands", "backends", "reports", "conformance"},
        None,
    ),
}
STOREYS["rnnspec"] = (set(STOREYS), None)
"""The project's packages and the libraries that each package may import besides the standard library;
None for any library but a framework."""

ALONE = {
    "reports.browser.chromium": {"playwright"},
    "reports.throughput_picture": {"matplotlib"},
    "reports.exports.pytest_benchmark": {"pytest_benchmark"},
    "reports.history.detection": {"numpy", "ruptures"},
}
"""Further libraries of one file: what is timed or tested must not have loaded them."""

FRAMEWORKS: dict[str, set[str]] = {
    extra: {line.partition(">")[0].strip().replace("-", "_") for line in lines}
    for extra, lines in PYPROJECT["project"]["optional-dependencies"].items()
    if extra != "fleet"
}
"""The modules that each extra with backends brings."""
PORTED = {
    "pytorch": {"torch"},
    "tensorflow": {"tensorflow", "tf_keras"},
    "keras": {"keras", "h5py"},
    "flax": {"flax", "jax"},
    "equinox": {"equinox", "jax"},
    "jax_layers": {"jax"},
    "onnx": {"onnx", "onnxruntime"},
}
"""The libraries that each kind of file may import."""
ALL_FRAMEWORKS = set().union(*FRAMEWORKS.values()) | {"flax", "jaxlib", "keras"}

OWN: dict[str, set[str]] = {
    entry.target.partition(":")[0]: FRAMEWORKS[entry.extra] for entry in BACKENDS.values()
}
"""The framework that each adapter, a module or a package, may import."""
BESIDE: dict[str, tuple[str | None, set[str]]] = {
    **{f"formats.{name}": (None, mine) for name, mine in PORTED.items()},
    "benchmarks.studies.libraries.reference": (None, {"torch"}),
    "benchmarks.studies.libraries.jax": ("backends.jax", {"jax", "flax", "keras", "torch"}),
    **{
        f"benchmarks.studies.bare.{extra}": (f"backends.{extra}", FRAMEWORKS[extra])
        for extra in EXTRAS
    },
}
"""The adapter and the frameworks that each module timed against them may import."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def adapter_of(dotted: str) -> str | None:
    """The adapter that this name belongs to; None for what is no part of one."""
    return next((own for own in OWN if dotted == own or dotted.startswith(own + ".")), None)


def imported(source: str, package: str) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import in a file of ``package``, wherever it stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield node.lineno, base
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
            name = called.id if isinstance(called, ast.Name) else called
            if name in ("import_module", "__import__"):
                yield node.lineno, str(node.args[0].value)


def forbidden(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """The imports of ``module`` that the table does not allow, in words."""
    top_package = module.partition(".")[0]
    projects, libraries = STOREYS[top_package]
    mine = adapter_of(module)
    mine, own = BESIDE.get(module, (mine, OWN.get(mine or "", set())))
    found = {}
    for line, name in imported(source, module if is_package else module.rpartition(".")[0]):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in own:
            continue
        if adapter_of(name) not in (None, mine):
            found[line] = f"{module}, line {line}: imports the adapter {adapter_of(name)}"
        elif top in STOREYS:
            if top != top_package and top not in projects:
                found[line] = f"{module}, line {line}: {top_package} may not import {top}"
        elif top in ALL_FRAMEWORKS:
            found[line] = f"{module}, line {line}: imports the framework {top}"
        elif libraries is not None and top not in libraries | ALONE.get(module, set()):
            found[line] = f"{module}, line {line}: {top_package} may not import {top}"
    return list(found.values())


ALIASES = {"conformance.__main__", "benchmarks.__main__", "reports.__main__"}
"""Old names of subcommands, which only start the command."""
STANDALONE = ROOT / "conformance" / "known"
"""Scripts for users of a framework, which import nothing of ours."""
FILES = sorted(
    path
    for package in STOREYS
    for path in (ROOT / package).rglob("*.py")
    if not path.is_relative_to(STANDALONE) and module_of(path) not in ALIASES
)


def test_an_alias_imports_nothing_but_the_command() -> None:
    for module in ALIASES:
        source = (ROOT / Path(*module.split("."))).with_suffix(".py").read_text("utf-8")
        names = {name for _, name in imported(source, module)}
        assert names == {"sys", "rnnspec.cli", "rnnspec.cli.main"}, f"{module} imports {names}"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_file_imports_only_what_its_package_may(path: Path) -> None:
    found = forbidden(module_of(path), path.read_text("utf-8"), is_package=path.stem == "__init__")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("reference.cells", "import scipy", "reference may not import scipy"),
        ("reference.cells", "from backends import find", "reference may not import backends"),
        ("reports.page", "def f():\n    import reference", "line 2: reports may not import"),
        ("reports.page", "import matplotlib", "reports may not import matplotlib"),
        ("backends.layouts", "import torch", "imports the framework torch"),
        ("backends.pytorch", "import jax.numpy as jnp", "imports the framework jax"),
        ("backends.pytorch", "from . import jax", "imports the adapter backends.jax"),
        (
            "backends.pytorch.parameters",
            "import tensorflow as tf",
            "imports the framework tensorflow",
        ),
        (
            "backends.pytorch.parameters",
            "from backends.jax.recurrent import forward",
            "imports the adapter",
        ),
        ("backends.pytorch.parameters", "from ..jax import rnn", "the adapter backends.jax"),
        ("backends.pytorch.parameters", "import optax", "imports the framework optax"),
        ("backends.pytorch_other", "import torch", "imports the framework torch"),
        ("conformance.cases.case", "from ..opened import torch\nimport jax", "line 2: imports"),
        (
            "conformance.cases.case",
            "from backends.pytorch.parameters import x",
            "imports the adapter",
        ),
        ("benchmarks.timing.workloads", "import torch", "imports the framework torch"),
        (
            "benchmarks.studies.libraries.reference",
            "import torch\nimport jax",
            "line 2: imports the framework",
        ),
        (
            "benchmarks.studies.bare.jax",
            "import jax\nimport backends.pytorch",
            "line 2: imports the adapter",
        ),
        ("benchmarks.a", "from backends import find\nfrom backends import pytorch", "line 2"),
        ("conformance.check", "from backends.pytorch import PyTorch", "imports the adapter"),
        ("conformance.check", "import importlib\nimportlib.import_module('torch')", "line 2"),
        ("benchmarks.a", "__import__('tensorflow.python')", "imports the framework tensorflow"),
        ("backends.adapter", "from conformance.cases import Case", "may not import conformance"),
    ],
)
def test_the_rule_sees(module: str, source: str, complaint: str) -> None:
    found = forbidden(module, source)
    assert len(found) == 1, f"{source!r} in {module}: {found}"
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("backends.pytorch", "import torch.nn\nfrom backends.layouts import convert"),
        ("backends.tensorflow", "from tf_keras.src import layers"),
        ("backends.tensorflow.deep.inside", "import tensorflow as tf\nimport tf_keras"),
        ("backends.jax.training", "import optax\nfrom . import rnn\nfrom .rnn import run"),
        ("backends.pytorch.parameters", "from backends.pytorch import layers\nimport torch"),
        ("conformance.check", "from backends import Backend\nfrom backends.dialects import X"),
        ("reference.rnn", "import math\nimport numpy as np\nfrom reference.spec import Spec"),
        ("conformance.check", "import rich\nimport pytest\nfrom records.schema import Outcome"),
    ],
)
def test_the_rule_lets_pass(module: str, source: str) -> None:
    assert not forbidden(module, source)


NOT_LIBRARIES = ("__main__", "conftest", "test_")
"""Modules that run something when they are imported."""

LIGHT = sorted(
    module_of(path)
    for path in FILES
    if not adapter_of(module_of(path))
    and module_of(path) not in BESIDE
    and "benchmarks" not in path.parts
    and not path.stem.startswith(NOT_LIBRARIES)
)

WATCH = """
import importlib, sys

class Watch:
    asked = []
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {frameworks!r}:
            self.asked.append(name)
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Watch())
for module in {modules!r}:
    importlib.import_module(module)
loaded = sorted(set(sys.modules) & {frameworks!r})
print(Watch.asked, loaded)
"""


def test_the_libraries_are_found() -> None:
    wanted = {"reference", "reference.rounding", "reports.page", "backends", "conformance.cases",
              "conformance.check", "records.environment"}  # fmt: skip
    assert wanted <= set(LIGHT), f"the list of modules to import lacks {wanted - set(LIGHT)}"


def test_importing_the_project_imports_no_framework() -> None:
    """An import inside try and except would cost seconds too."""
    code = WATCH.format(frameworks=ALL_FRAMEWORKS, modules=LIGHT)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[] []\n", f"tried to import, and imported: {done.stdout}"


@pytest.mark.parametrize("name", BACKENDS)
def test_an_adapter_imports_its_framework_and_holds_its_class(name: str) -> None:
    """The files exist, and one of them holds the declared class."""
    target, _, attribute = BACKENDS[name].target.partition(":")
    place = ROOT / Path(*target.split("."))
    paths = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    trees = {path: ast.parse(path.read_text("utf-8")) for path in paths}
    tops = {
        dotted.partition(".")[0]
        for path in paths
        for _, dotted in imported(path.read_text("utf-8"), target)
    }
    own = FRAMEWORKS[BACKENDS[name].extra]
    assert tops & own, f"{target} imports nothing of its extra, {sorted(own)}"
    unused = own - tops
    assert not unused, f"{target} imports nothing of {sorted(unused)}, which its extra installs"
    classes = {n.name for tree in trees.values() for n in tree.body if isinstance(n, ast.ClassDef)}
    assert attribute in classes, f"{target} has no class {attribute}"


def test_the_extras_are_those_of_the_backends() -> None:
    """The noxfile makes one environment for each extra: none without a backend, none missing."""
    assert set(FRAMEWORKS) == set(EXTRAS)


def test_every_package_is_listed_for_installation() -> None:
    folders = [
        path.parent for deep in ("*", "*/*", "*/*/*") for path in ROOT.glob(f"{deep}/__init__.py")
    ]
    found = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    found = {name for name in found if name.partition(".")[0] != "tests"}  # tests need a checkout
    listed = set(PYPROJECT["tool"]["setuptools"]["packages"])
    assert listed == found, f"pyproject.toml lists {sorted(listed)}, packages are {sorted(found)}"


@pytest.mark.parametrize(
    "module", ["benchmarks.timing.conftest", "rnnspec.bench", "conformance.conftest"]
)
def test_what_is_timed_or_tested_has_no_library_that_brings_threads_of_its_own(module: str) -> None:
    """SciPy, which reports of histories load, has another BLAS."""
    asked = (
        f"import sys, {module}; print(*{{'scipy', 'ruptures', 'matplotlib'}} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not done.stdout.split(), f"{module} loads {done.stdout}"


MOST_FILES = 16
"""Files that a folder holds itself, so that a reader sees at a glance what is there."""


def test_a_storey_imports_only_from_lower_ones() -> None:
    lower: set[str] = set()
    for package, (projects, _) in STOREYS.items():
        assert projects <= lower, (
            f"{package} imports {projects - lower}, which stand on its storey or above it"
        )
        lower.add(package)


def test_modules_import_each_other_in_no_circle() -> None:
    modules = {module_of(path): path for path in FILES}
    graph = {
        module: {
            name
            for _, name in imported(path.read_text("utf-8"), module)
            if name in modules and name != module
            # from package import module: the module, and not what the package's face names
            and not any(other.startswith(f"{name}.") for _, other in imported(path.read_text("utf-8"), module)
                        if other in modules)
        }
        for module, path in modules.items()
    }  # fmt: skip
    TopologicalSorter(graph).prepare()  # raises CycleError, with the modules in it


def test_no_folder_is_crowded() -> None:
    folders = {
        path.parent
        for package in (*STOREYS, "tests", "docs")
        for path in (ROOT / package).rglob("*")
    }
    counts = {
        str(folder.relative_to(ROOT)): sum(path.is_file() for path in folder.iterdir())
        for folder in folders
        if "__pycache__" not in folder.parts
    }
    crowded = {name: count for name, count in counts.items() if count > MOST_FILES}
    assert not crowded, f"expected at most {MOST_FILES} files in a folder, found {crowded}"
