"""Tests of fuzzing, mutants, properties, calibration and reproducers."""
