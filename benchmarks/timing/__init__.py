"""Time workloads on backends in fresh processes, and check the timed results."""
