"""Alternate the samples of a pair of processes: one works while the other waits.

The samples of both are milliseconds apart, so a change of the machine's speed affects both. A pipe in each direction
passes control.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

MESSAGE = struct.Struct("=ci")
TURN, DONE = b"t", b"d"


class Pipes(NamedTuple):
    """The pipes to the other process of a pair, and whether this process works first."""

    first: bool
    receives: int
    sends: int

    def __str__(self) -> str:
        return ",".join(str(int(part)) for part in self)

    @classmethod
    def parse(cls, text: str) -> Pipes:
        """Parse the text that ``str`` returns.

        Args:
            text: three integers, separated by commas.

        Returns:
            The pipes.
        """
        first, receives, sends = map(int, text.split(","))
        return cls(bool(first), receives, sends)


class Alternation:
    """Alternation with the other process of a pair.

    A process that has finished a row, or has ended, is not waited for: the other one goes on alone.

    Args:
        pipes: the pipes to the other process; None for a process without a pair, which never waits.
    """

    def __init__(self, pipes: Pipes | None) -> None:
        self._pipes = pipes
        self._gone = pipes is None
        self._alone = False
        self._number = 0
        """The last number that the other process sent in this row."""
        if not self._gone:  # both have started before one of them begins
            self._say(TURN)
            self._wait()

    @property
    def paired(self) -> bool:
        """True if this process is one of a pair, even if the other one has ended."""
        return self._pipes is not None

    @contextmanager
    def row(self) -> Iterator[None]:
        """Work on one row together: the first process begins, and the row ends when both have finished it.

        Yields:
            Nothing.
        """
        self._alone, self._number = self._gone, 0
        if self._pipes and not self._pipes.first:
            self._wait()
        try:
            yield
        finally:
            self._say(DONE)
            while not self._alone:
                self._wait()

    def hand_over(self, number: int = 0) -> None:
        """Pass control to the other process, and return when it comes back.

        Args:
            number: a number that the other process receives; 0 for none.
        """
        if not self._alone:
            self._say(TURN, number)
            self._wait()

    def agree_on(self, number: int) -> int:
        """Exchange a number with the other process.

        Args:
            number: this process's number.

        Returns:
            The smaller one of both numbers.
        """
        self.hand_over(number)
        return min(number, self._number or number)

    def _say(self, what: bytes, number: int = 0) -> None:
        if self._gone or self._pipes is None:
            return
        try:
            os.write(self._pipes.sends, MESSAGE.pack(what, number))
        except BrokenPipeError:
            self._gone = self._alone = True

    def _wait(self) -> None:
        if self._gone or self._pipes is None:
            return
        said = os.read(self._pipes.receives, MESSAGE.size)
        if not said:
            self._gone = self._alone = True
            return
        what, number = MESSAGE.unpack(said)
        self._alone = what == DONE
        self._number = number or self._number
