"""Runs recognisers, ours and others, each in a process and an environment of its own, to compare them."""
