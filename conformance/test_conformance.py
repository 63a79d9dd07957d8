"""The suite's single pytest test: a case on a backend agrees with the specification."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from conformance.cases import AnyCase
from conformance.known_differences import KnownDifference, known_reason
from conformance.open_backend import OpenBackend
from conformance.session.recorder import PROPERTY
from records.schema import CaseRecord, encode


@pytest.mark.filterwarnings("default")  # a framework's own warnings are no outcome
def test_agrees_with_the_specification(
    backend: OpenBackend,
    case: AnyCase,
    known: list[KnownDifference],
    checked: Callable[[AnyCase, OpenBackend], CaseRecord],
    request: pytest.FixtureRequest,
) -> None:
    record = checked(case, backend)
    record = msgspec.structs.replace(record, known=known_reason(known, record))
    request.node.user_properties.append((PROPERTY, encode(record).decode()))
    if record.outcome == "unsupported":
        pytest.skip(record.reason)
    if record.known is not None:
        pytest.xfail(f"known: {record.known}")
    if record.outcome != "agrees":
        pytest.fail(record.card or record.reason, pytrace=False)
