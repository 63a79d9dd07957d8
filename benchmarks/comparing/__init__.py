"""Compare two sides that were timed in one run: revisions, versions or backends."""
