"""Time workloads on backends, in fresh processes, and check what was timed."""
