"""The cards of cases that fail."""
