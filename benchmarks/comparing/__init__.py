"""Compare two sides, base and head, timed in one run: revisions, versions or backends."""
