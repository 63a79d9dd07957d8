"""A backend that is open on a device, and the header of a run of it."""

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


@dataclass(frozen=True)
class OpenBackend:
    """A backend under the name it was asked for, open on a device."""

    name: str
    device: str
    adapter: Backend
    left_out: tuple[str, ...] = ()
    """Patterns of cases that are not for it in this session (``backends.Entry``)."""

    def __post_init__(self) -> None:
        if self.adapter.kind != (kind := kind_of(self.device)):
            raise BackendNotFound(
                f"backend {self.name!r}: opened on {kind}, and says that it is on {self.adapter.kind}; its "
                "__init__ must call super().__init__(device)"
            )

    def runs_case(self, case_id: str) -> bool:
        """Whether the case is for this backend in this session."""
        return not any(fnmatchcase(case_id, pattern) for pattern in self.left_out)

    @property
    def version(self) -> str:
        """The framework and its version; raises ``PackageNotFoundError`` for a wrong name."""
        return ", ".join(f"{name} {metadata.version(name)}" for name in self.adapter.packages)

    @property
    def source(self) -> str:
        """What ran, where a commit does not say it: a tree with changes, an adapter from outside."""
        own = [Path(place) for place in (inspect.getsourcefile(type(self.adapter)),) if place]
        return _hashed([*(ROOT / name for name in SOURCES), *own])

    def header(
        self,
        environment: Environment,
        front_end: FrontEnd,
        workers: Mapping[str, Environment] | None = None,
    ) -> Header:
        """The first line of a run that starts now; of a fleet with its workers' environments."""
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
    "backends",
    "formats",
    "conformance",
    "fleet",
    "evidence",
    "pyproject.toml",
)


def suite_digest() -> str:
    """Of the suite alone: what its processes must have alike, wherever they run."""
    return _hashed([ROOT / name for name in SOURCES])


def _hashed(places: list[Path]) -> str:
    """Twelve hexadecimal digits of all code and data there."""
    h = hashlib.sha256()
    for place in places:
        files = (
            [place]
            if place.is_file()
            else sorted(place.rglob("*.py")) + sorted(place.rglob("*.txt"))
        )
        for file in files:
            h.update(file.read_bytes())
    return h.hexdigest()[:12]


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _suite_version() -> str:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def command_line() -> str:
    """The command line that started this process, as a user would type it."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        folder = program.resolve().parent
        ours = folder.is_relative_to(ROOT) and "site-packages" not in folder.parts
        module = ".".join(folder.relative_to(ROOT).parts) if ours else folder.name
        return shlex.join(["python", "-m", module, *sys.argv[1:]])
    return shlex.join([program.name, *sys.argv[1:]])
