"""Records of what was seen, the run files that hold them, and the pages drawn from them."""
