"""Reports drawn from run files: the page, the terminal output, exports and history."""

from commands.moved import stop_if_moved

stop_if_moved()
