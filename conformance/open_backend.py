"""Hold a backend that is open on a device, and make the header of its run."""

from __future__ import annotations

import hashlib
import inspect
import secrets
import shlex
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from importlib import metadata
from pathlib import Path

from backends import Backend, BackendNotFound
from backends.adapter import kind_of
from records.environment import fingerprint, suite_commit
from records.schema import SCHEMA_VERSION, Environment, FrontEnd, Header

ROOT = Path(__file__).parents[1]
IN_CHECKOUT = (ROOT / "pyproject.toml").is_file()
"""True in a checkout, False where a wheel was installed."""


@dataclass(frozen=True)
class OpenBackend:
    """A backend that is open on a device, under the name that the user gave."""

    name: str
    device: str
    adapter: Backend
    left_out: tuple[str, ...] = ()
    """The patterns of cases that it does not run in this session (``backends.Entry``)."""

    def __post_init__(self) -> None:
        if self.adapter.kind != (kind := kind_of(self.device)):
            raise BackendNotFound(
                f"backend {self.name!r}: opened on {kind}, but the adapter says {self.adapter.kind}; its "
                "__init__ must call super().__init__(device)"
            )

    def runs_case(self, case_id: str) -> bool:
        """Return True if the backend runs a case in this session.

        Args:
            case_id: the id of the case.

        Returns:
            False if the id matches a pattern of ``left_out``.

        """
        return not any(fnmatchcase(case_id, pattern) for pattern in self.left_out)

    @property
    def version(self) -> str:
        """The framework's packages with their versions.

        Raises ``PackageNotFoundError`` if the adapter names a package that is not installed.
        """
        return ", ".join(f"{name} {metadata.version(name)}" for name in self.adapter.packages)

    @property
    def source(self) -> str:
        """The digest of the code that ran: it covers uncommitted changes and adapters from outside the tree."""
        adapter_files = [
            Path(path) for path in (inspect.getsourcefile(type(self.adapter)),) if path
        ]
        return _hashed([*(ROOT / name for name in SOURCES), *adapter_files])

    def header(
        self,
        environment: Environment,
        front_end: FrontEnd,
        workers: Mapping[str, Environment] | None = None,
    ) -> Header:
        """Make the header of a run that starts now.

        Args:
            environment: the environment of this process.
            front_end: the kind of run.
            workers: the environments of a cluster's workers, by fingerprint.

        Returns:
            The first line of the run file.

        """
        return Header(
            schema_version=SCHEMA_VERSION,
            run_id=secrets.token_hex(4),
            started_at=now(),
            suite_version=_suite_version(),
            suite_commit=suite_commit(),
            backend=self.name,
            left_out=list(self.left_out),
            source=self.source,
            backend_version=self.version,
            device=self.device,
            command=command_line(),
            environment=environment,
            fingerprint=fingerprint(environment),
            settings=self.adapter.settings,
            framework_defaults=self.adapter.framework_defaults,
            front_end=front_end,
            workers=dict(workers or {}),
        )


SOURCES = (
    "reference",
    "records",
    "commands",
    "backends",
    "formats",
    "conformance",
    "fleet",
    "evidence",
    "pyproject.toml",
)


def suite_digest() -> str:
    """Return a digest of the suite's source, which must be the same in all its processes.

    Returns:
        Twelve hexadecimal digits.

    """
    return _hashed([ROOT / name for name in SOURCES])


def _hashed(paths: list[Path]) -> str:
    """Return twelve hexadecimal digits of all code and data in these places."""
    h = hashlib.sha256()
    for path in paths:
        files = (
            [path] if path.is_file() else sorted(path.rglob("*.py")) + sorted(path.rglob("*.txt"))
        )
        for file in files:
            h.update(file.read_bytes())
    return h.hexdigest()[:12]


def now() -> str:
    """Return the time in UTC.

    Returns:
        The time in ISO 8601, to the second.

    """
    return datetime.now(UTC).isoformat(timespec="seconds")


def _suite_version() -> str:
    """The checkout's version, which an older installation may not know, or the installed one."""
    if IN_CHECKOUT:
        text = (ROOT / "pyproject.toml").read_text("utf-8")
        return str(tomllib.loads(text)["project"]["version"])
    return metadata.version("rnnspec")


def command_line() -> str:
    """Return the command line that started this process, as a user would type it.

    Returns:
        The command line.

    """
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        folder = program.resolve().parent
        ours = folder.is_relative_to(ROOT) and "site-packages" not in folder.parts
        module = ".".join(folder.relative_to(ROOT).parts) if ours else folder.name
        by_name = [module] if module == "rnnspec" else ["python", "-m", module]
        return shlex.join([*by_name, *sys.argv[1:]])
    return shlex.join([program.name, *sys.argv[1:]])
