"""Tests of timing and comparisons."""
