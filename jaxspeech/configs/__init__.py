"""Recipes, one per file. Each docstring gives the command, the time on a given machine, and the expected score."""
