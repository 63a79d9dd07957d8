"""The other process of a pair: one works while the other rests.

Two processes take a sample each in turn, so that their samples stand milliseconds apart, and what changes the
machine's speed meets both. One of them has the turn; a pipe each way passes it on.
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
    """How a process reaches its partner, and whether it is the first to work."""

    first: bool
    receives: int
    sends: int

    def __str__(self) -> str:
        return ",".join(str(int(part)) for part in self)

    @classmethod
    def parse(cls, text: str) -> Pipes:
        """What ``str`` has made. Raises ``ValueError`` for anything else."""
        first, receives, sends = map(int, text.split(","))
        return cls(bool(first), receives, sends)


class Partner:
    """Where ``pipes`` is None there is none, and this process always has the turn.

    Whoever has finished a row, or has ended, is not waited for: the other goes on alone.
    """

    def __init__(self, pipes: Pipes | None) -> None:
        self._pipes = pipes
        self._gone = pipes is None
        self._alone = False
        self._number = 0
        """What the partner has said last in this row."""
        if not self._gone:  # both are here before one of them begins
            self._say(TURN)
            self._wait()

    @property
    def exists(self) -> bool:
        """Whether there is one, or was."""
        return self._pipes is not None

    @contextmanager
    def row(self) -> Iterator[None]:
        """Both work on one row; the first begins, and the row ends where both have finished it."""
        self._alone, self._number = self._gone, 0
        if self._pipes and not self._pipes.first:
            self._wait()
        try:
            yield
        finally:
            self._say(DONE)
            while not self._alone:
                self._wait()

    def swap(self, number: int = 0) -> None:
        """Give the turn away, and come back when it is this process's again."""
        if not self._alone:
            self._say(TURN, number)
            self._wait()

    def agree(self, number: int) -> int:
        """The smaller one of both processes' numbers."""
        self.swap(number)
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
