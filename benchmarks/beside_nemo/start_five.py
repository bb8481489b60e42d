"""Starts NeMo and this package on the same five recordings of 1 to 16 s and the same 109M model.

    python -m benchmarks.beside_nemo.start_five --nemo=PYTHON

PYTHON is the interpreter of an environment with NeMo. Each transcribes in a process of its own, on the CPU: NeMo by its
model's `transcribe`, we by `jaxspeech transcribe`, with an empty cache and then with a full one. Prints one JSON line:
the seconds of each process from its start to its end, and of the processor's time that it used.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.loading import process_times, recordings, start_here, write_five
from jaxspeech.runtime.command import run

# The program of a user of NeMo.
NEMO = """
import sys
from nemo.collections.asr.models import ASRModel
model = ASRModel.restore_from(sys.argv[1], map_location="cpu")
for hypothesis in model.transcribe(sys.argv[2:], batch_size=16, verbose=False):
    print(hypothesis.text)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nemo", required=True, help="Python interpreter with NeMo")
    parser.add_argument("--repeat", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_five(folder)
        model = folder / "model.nemo"
        command = [args.nemo, "-c", NEMO, str(model), *map(str, recordings(folder))]
        result = {
            "nemo": [process_times(command, CUDA_VISIBLE_DEVICES="") for _ in range(args.repeat)],
            "here, model.nemo": start_here(model, repeat=args.repeat),
            "here, model.jaxspeech": start_here(folder / "model.jaxspeech", repeat=args.repeat),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    sys.exit(run(main))
