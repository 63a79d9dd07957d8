"""Run files: their schema, writing and reading, the environment that a run saw, and exit codes."""
