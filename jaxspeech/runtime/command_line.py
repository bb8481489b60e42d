"""This process's command line, for a message that says how to repeat it."""

import shlex
import sys
from pathlib import Path


def command_line() -> str:
    """What to type: "jaxspeech train --config=x", or "python train.py --config=x" for a script."""
    program, *arguments = sys.argv
    name = Path(program).name
    return shlex.join(["python", program, *arguments] if name.endswith(".py") else [name, *arguments])
