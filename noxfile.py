# /// script
# requires-python = ">=3.11"
# dependencies = ["nox>=2025.2.9"]
# ///
"""The project's commands; ``nox -l`` lists them. Options after ``--`` go to the command."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"  # pip finds CPU builds of torch where uv does not
nox.options.sessions = ["lint", "types", "tests", "conformance"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
FRAMEWORKS = tuple(
    name for name in PYPROJECT["project"]["optional-dependencies"] if name != "fleet"
)
"""Frameworks, with one environment each; tests/test_imports.py compares them with the list of backends."""

REFERENCE, SPECIFICATION = "reference", "conformance.specification:Specification"
"""The specification itself, as a backend."""

JOBS = "2"
MINUTES = {REFERENCE: "2", "tensorflow": "12", "pytorch": "3", "jax": "3"}
"""Time budget of each framework's benchmarks, in minutes: 20 in all; tensorflow has the most backends."""
LIBRARIES = {REFERENCE: ("pytorch", "libraries"), "jax": ("jax", "jax-libraries")}
"""Libraries to compare with: the extra and the dependency group of each set."""


TIERS = {"tests": "not processes and not every", "processes": "processes and not every"}
"""Marker expression of each session that tests the suite itself."""
SPLIT = {
    # Each worker begins with half of the files, since a file's tests share what they compute.
    "tests": ("-n", JOBS, "--dist", "worksteal"),
    "processes": ("-n", JOBS, "--dist", "loadgroup"),  # a group shares one long run
}
"""How pytest-xdist divides each tier among processes."""
ON_REQUEST = ("every",)
"""Markers of tests that run on request only: ``nox -s tests -- -m every``."""


def install(session: nox.Session, *, extra: str = "", groups: tuple[str, ...] = ()) -> None:
    """Install the suite in editable form, with one extra and some groups, at the tested versions."""
    wanted = [p for g in groups for p in nox.project.dependency_groups(PYPROJECT, g)]
    target = f".[{extra}]" if extra else "."
    # Python compiles a module when it is first imported; most of a framework's never are.
    session.install("--no-compile", "-e", target, *wanted, "-c", "constraints.txt")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff."""
    session.install("ruff", "-c", "constraints.txt")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy, strictly."""
    install(session, groups=("types",))
    session.run("mypy")


def run_tier(session: nox.Session) -> None:
    """Run the tests of the tier with the session's name."""
    install(session, groups=("test",))
    shared = {"RNNSPEC_CACHE": str(Path(".cache").absolute())}  # most tests need the same truths
    tier = TIERS[session.name]
    session.run("pytest", *SPLIT[session.name], "-m", tier, *session.posargs, env=shared)


@nox.session
def tests(session: nox.Session) -> None:
    """Test the suite itself, without frameworks and subprocesses (-- -m "" runs every tier)."""
    run_tier(session)


@nox.session
def processes(session: nox.Session) -> None:
    """Test commands as subprocesses that start, fail, are killed and resume, alone and on a cluster."""
    run_tier(session)


@nox.session
@nox.parametrize("framework", FRAMEWORKS, ids=FRAMEWORKS)
def conformance(session: nox.Session, framework: str) -> None:
    """Check a framework's backends against the specification; then show the report."""
    install(session, extra=framework)
    session.notify("report", ())
    session.run("rnnspec", "check", "--framework", framework, "--jobs", JOBS, *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Show that the default cases catch wrong specifications; then show the report."""
    install(session, groups=("libraries",))
    session.notify("report", ())
    session.run("rnnspec", "mutants", "--jobs", JOBS, *session.posargs)


@nox.session
@nox.parametrize("framework", FRAMEWORKS, ids=FRAMEWORKS)
def fuzz(session: nox.Session, framework: str) -> None:
    """Check random networks on a framework's backends (-- --minutes N); then show the report."""
    given = [*session.posargs]
    named = {k: name for k, (o, name) in enumerate(pairwise(given)) if o == "--backend"}
    others = [k for k, name in named.items() if not name.startswith(framework)]
    if named and len(others) == len(named):
        session.skip(f"--backend names none of {framework}'s")
    for k in reversed(others):  # another framework's session runs these
        del given[k : k + 2]
    install(session, extra=framework)
    session.notify("report", ())
    whole = () if named else ("--framework", framework)
    session.run("rnnspec", "fuzz", *whole, "--jobs", JOBS, *given)


@nox.session
@nox.parametrize("framework", (REFERENCE, *FRAMEWORKS), ids=(REFERENCE, *FRAMEWORKS))
def bench(session: nox.Session, framework: str) -> None:
    """Time the reference and every framework's backends, one process each; then show the report."""
    itself = framework == REFERENCE
    install(session, extra="" if itself else framework)
    session.notify("report", ())
    whose = ("--backend", SPECIFICATION) if itself else ("--framework", framework)
    within = () if session.posargs else ("--minutes", MINUTES[framework])
    session.run("rnnspec", "bench", *whose, *within, *session.posargs)


@nox.session
def compare(session: nox.Session) -> None:
    """Time two git revisions, or two versions of a framework, in turn (-- BASE HEAD --backend NAME)."""
    install(session)
    session.run("rnnspec", "compare", *session.posargs)


@nox.session
@nox.parametrize("framework", FRAMEWORKS, ids=FRAMEWORKS)
def adapters(session: nox.Session, framework: str) -> None:
    """Test a framework's adapters: devices, properties, and the effect of every field of its dialects."""
    install(session, extra=framework, groups=("test",))
    files = (
        "tests/backends/test_devices.py",
        "tests/backends/test_dialects.py",
        "tests/evidence/test_properties.py",
    )
    session.run("pytest", "-n", JOBS, *files, *session.posargs)


@nox.session
def porting(session: nox.Session) -> None:
    """Test conversions between files that the frameworks themselves write and load."""
    install(session, extra=",".join(FRAMEWORKS), groups=("test", "porting"))
    files = (
        "tests/porting/test_porting.py",
        "tests/porting/test_real_files.py",
        "tests/porting/test_odd_files.py",
    )
    session.run("pytest", "-n", JOBS, *files, *session.posargs)


@nox.session
@nox.parametrize("framework", FRAMEWORKS, ids=FRAMEWORKS)
def reproducers(session: nox.Session, framework: str) -> None:
    """Run generated scripts in an environment with only NumPy and a framework."""
    install(session, groups=("test",))
    clean = Path(session.create_tmp()).absolute() / "clean"
    python = clean / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    session.run("python", "-m", "venv", "--clear", str(clean))
    needs = PYPROJECT["project"]["optional-dependencies"][framework]
    session.run(str(python), "-m", "pip", "install", "-q", "numpy", *needs, "-c",
                "constraints.txt", external=True)  # fmt: skip
    found = {"RNNSPEC_CLEAN_PYTHON": str(python), "RNNSPEC_CLEAN_FRAMEWORK": framework}
    session.run("pytest", "-n", JOBS, "-m", "not every", "tests/evidence/test_reproducer_scripts.py",
                *session.posargs, env=found)  # fmt: skip


@nox.session
def report(session: nox.Session) -> None:
    """Print the matrix; write results/site/index.html and exports from the runs in results/runs."""
    install(session)
    # Exit codes 1 and 4 are about the last runs, whose own sessions have returned them already. Only this
    # session returns 2, for a regression over all runs.
    session.run("rnnspec", "report", *session.posargs, success_codes=[0, 1, 4])


@nox.session
def pictures(session: nox.Session) -> None:
    """Draw the README's throughput picture, and write its table, from the runs in results/runs."""
    install(session, groups=("pictures",))
    session.run("python", "-m", "reports.throughput_picture", *session.posargs)


@nox.session
def screenshots(session: nox.Session) -> None:
    """Take screenshots of results/site in Chromium, light and dark: docs/images/page-*.png."""
    install(session, groups=("browser",))
    session.run("python", "-m", "reports.browser.screenshots", *session.posargs)


@nox.session
def lighthouse(session: nox.Session) -> None:
    """Run Google's Lighthouse on the page of results/site; needs npx and Chromium."""
    install(session)
    session.run("python", "-m", "reports.browser.lighthouse", *session.posargs)


@nox.session
@nox.parametrize("group", tuple(LIBRARIES), ids=tuple(LIBRARIES))
def libraries(session: nox.Session, group: str) -> None:
    """Compare the speed of the reference and of jax_vjp with other libraries."""
    extra, of_group = LIBRARIES[group]
    install(session, extra=extra, groups=(of_group,))
    session.run("python", "-m", "benchmarks.studies.libraries", group, *session.posargs)


@nox.session
@nox.parametrize("framework", FRAMEWORKS, ids=FRAMEWORKS)
def calibration(session: nox.Session, framework: str) -> None:
    """Measure the evidence behind z, K_ACT and the RMS limit, on a framework's backends."""
    install(session, extra=framework)
    session.run("python", "-m", "evidence.calibration", "--framework", framework, *session.posargs)
