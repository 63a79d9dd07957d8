"""Check backends against the specification: cases, truths, agreement, and the record of each check."""

from commands.moved import stop_if_moved

stop_if_moved()
