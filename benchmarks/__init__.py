"""Benchmarks: timing workloads, comparing two sides, and studies of the method."""
