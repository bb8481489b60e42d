"""How predictions are scored, a file for each score."""
