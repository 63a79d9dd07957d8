"""Evidence that the suite tells right from wrong: mutants, fuzzing, properties, calibration, reproducers."""
