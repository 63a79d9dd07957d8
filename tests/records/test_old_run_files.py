"""Run files of every version of the schema are read for ever: one of each is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from records.runs import read_run
from records.schema import SCHEMA_VERSION, CaseRecord, FuzzRecord, Measurement, MutantRecord
from reports import exports
from reports.history.index import Index
from reports.matrix import build_matrix
from reports.page import render

KEPT = Path(__file__).with_name("old_run_files")
VERSIONS = range(1, SCHEMA_VERSION + 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_of_every_version_is_shown(version: int, tmp_path: Path) -> None:
    path = KEPT / f"schema-{version}.jsonl.gz"
    assert path.exists(), (
        f"tests/records/old_run_files has no run of schema {version}: keep one before it is raised"
    )
    run = read_run(path)
    kinds = {type(record) for record in run.records}
    assert kinds == {CaseRecord, FuzzRecord, Measurement, MutantRecord}, (
        "it has a record of every kind"
    )
    shown = build_matrix([run])
    assert "lstm/b" in render(shown)
    assert len(exports.write(shown, exports.FORMS, tmp_path / "exports")) > 9
    with Index(tmp_path / "index") as index:
        index.refresh(KEPT)
        assert not index.bad()
        assert index.runs() == len(VERSIONS)
