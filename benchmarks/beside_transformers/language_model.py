"""Runs a language model's prompt and answer here and with Transformers, one after the other, on the same cores.

    python -m benchmarks.beside_transformers.language_model --transformers=PYTHON

PYTHON is the interpreter of an environment with torch and transformers. Prints the JSON line of each run, and then how
many times as fast this package is as Transformers, by the wall clock and by the processor's time.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from jaxspeech.runtime.command import run

CASES = ("llm_prefill", "llm_prefill_b8", "llm_decode", "llm_decode_b8")
THEIRS = Path(__file__).with_name("transformers_llm.py")


def main() -> None:
    """Runs the cases."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--transformers", required=True, metavar="PYTHON", help="interpreter with torch, transformers")
    parser.add_argument("--only", choices=CASES, nargs="+", default=CASES)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    for case in args.only:
        what = f"--repeat={args.repeat}"
        ours = _line([sys.executable, "-m", "benchmarks", f"--only={case}", what])
        theirs = _line([args.transformers, str(THEIRS), f"--what={case}", f"--threads={cores}", what])
        faster = {key: round(theirs[key] / ours[key], 2) for key in ("median_s", "min_s", "cpu_s")}
        print(json.dumps({"what": case, "cores": cores, "times_as_fast": faster}), flush=True)


def _line(command: list[str]) -> dict[str, Any]:
    """Runs a program, prints its line, and returns what it says."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True)
    line = done.stdout.splitlines()[-1]
    print(line, flush=True)
    return json.loads(line)


if __name__ == "__main__":
    sys.exit(run(main))
