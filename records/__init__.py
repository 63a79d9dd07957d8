"""Run files: schema, reading and writing, the environment of a run, and exit codes."""
