"""The order of a session's tests: cases that share a compiled program run together, in one process."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from conformance.cases import AnyCase, Case, NetworkCase, TrainingCase, UserCase
from conformance.session.recorder import SEPARATOR


def program_of(case: AnyCase) -> Hashable:
    """Return what a compiled program of the case is made for.

    Cases of equal programs differ in data alone: weights, lengths, padding, states, an LSTM's forget bias.
    A case in another precision has the truth of its original, and stays beside it.

    Args:
        case: any case.

    Returns:
        A value that is equal for cases that a framework can run by one program.

    """
    match case:
        case Case():
            spec = replace(case.spec, forget_bias=0.0)
            given = (case.lengths == "full", case.state, case.gradients)
            return spec, case.dtype, case.batch, case.steps, given
        case NetworkCase():
            return case.network, case.dtype, case.batch, case.steps
        case TrainingCase():
            return case.task, case.optimiser, case.dtype
        case UserCase():
            return case.spec, case.dtype


def by_program(cases: list[AnyCase]) -> Iterator[list[AnyCase]]:
    """Yield groups of cases that share a program.

    Args:
        cases: the cases of a session.

    Yields:
        Training first, whose truths take longest, so that no worker begins one when the others are done;
        otherwise in the order of each group's first case.

    """
    groups: dict[Hashable, list[AnyCase]] = {}
    for case in cases:
        groups.setdefault(program_of(case), []).append(case)
    yield from sorted(groups.values(), key=lambda group: not isinstance(group[0], TrainingCase))


class ProgramScheduling(LoadScopeScheduling):  # type: ignore[misc]  # of a package without types
    """A scheduler of pytest-xdist that gives a worker all tests of a program, on every backend.

    So no two workers compile the same program or compute the same truth.

    Args:
        config: the session's options.
        log: a log of pytest-xdist.
        groups: the name of its group, by the id of each test's case.

    """

    def __init__(self, config: pytest.Config, log: Producer, groups: dict[str, str]) -> None:
        config.option.loadscopereorder = False  # the session's own order
        super().__init__(config, log)
        self._groups = groups

    def _split_scope(self, nodeid: str) -> str:
        case_id = nodeid.partition("[")[2].partition(SEPARATOR)[0]
        return self._groups[case_id]

    def _reschedule(self, node: WorkerController) -> None:
        if node not in self.registered_collections:
            return  # it is still starting
        super()._reschedule(node)
        # A worker begins a test only when it knows the next one, or that there is none.
        while self._pending_of(self.assigned_work[node]) < 2 and not node.shutting_down:
            super()._reschedule(node)

    def remove_node(self, node: WorkerController) -> str | None:
        """Give the tests of a worker that ended back, but for the one in which it died.

        Args:
            node: the worker.

        Returns:
            The test in which it died, which would crash again; None if it had run them all.

        """
        units = self.assigned_work.pop(node)
        left = {scope: unit for scope, unit in units.items() if not all(unit.values())}
        if not left:
            return None
        first = next(iter(left.values()))
        crashed = next(test for test, done in first.items() if not done)
        first[crashed] = True
        for scope, unit in reversed(left.items()):
            if not all(unit.values()):
                self.workqueue[scope] = unit
                self.workqueue.move_to_end(scope, last=False)
        for other in self.assigned_work:
            self._reschedule(other)
        return crashed
