"""Benchmarks: timing workloads, comparing two sides, and studies of the method."""

from commands.moved import stop_if_moved

stop_if_moved()
