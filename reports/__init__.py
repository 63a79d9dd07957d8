"""Records of what was seen, the run files that hold them, and the pages drawn from them."""

from records.moved import stop_if_moved

stop_if_moved()
