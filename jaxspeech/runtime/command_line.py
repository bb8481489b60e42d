"""The command line of this process, for messages that say how to run it again."""

import shlex
import sys
from pathlib import Path


def command_line() -> str:
    """The command as typed: "jaxspeech train --config=x", or "python train.py --config=x" for a script."""
    program, *arguments = sys.argv
    name = Path(program).name
    return shlex.join(["python", program, *arguments] if name.endswith(".py") else [name, *arguments])
