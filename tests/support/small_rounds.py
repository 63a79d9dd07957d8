"""Fakes for commands that fuzz: a process that opens one fuzzes rounds of a few small networks."""

from __future__ import annotations

from fakes import CrashesSeldom, ForgetBiasIgnored, Right

from evidence.fuzz import draws
from evidence.fuzz.isolated import IsolatedTally
from evidence.fuzz.rounds import Tally

__all__ = ["CrashesSeldom", "ForgetBiasIgnored", "Right"]

draws.GROUPS, draws.LAYERS = 6, (1, 2)
draws.BATCH, draws.STEPS, draws.WIDTH = 3, 5, 4
Tally.checks = 40
IsolatedTally.checks = 1  # each starts processes
Tally.shrunk = 1
