"""Check backends against the specification: cases, truths, agreement, and the record of each check."""
