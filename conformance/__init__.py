"""Holding backends to the specification: cases, agreement, and the check that makes a record."""
