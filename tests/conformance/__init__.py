"""Tests of cases, truths and verdicts."""
