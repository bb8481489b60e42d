"""`python -m jaxspeech VERB` is `jaxspeech VERB`."""

import sys

from jaxspeech.cli.main import script

if __name__ == "__main__":
    sys.argv[0] = "jaxspeech"  # what messages call the command
    script()
