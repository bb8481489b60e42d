"""One recipe a file. Each docstring gives the command, the time it takes on which machine, and the score to expect."""
