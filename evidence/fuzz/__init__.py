"""Fuzzing: random networks, sizes, lengths and numbers, in rounds of one structure each."""
