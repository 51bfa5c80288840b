"""One file an action: the executor of one step. What it writes, when it may be repeated."""
