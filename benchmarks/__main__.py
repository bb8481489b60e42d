"""Runs benchmark cases, each in a separate process, so that its peak memory is measured alone.

python -m benchmarks                     the cases for a CPU
python -m benchmarks --only=infer_b1     one case
python -m benchmarks --gpu               the cases for a GPU
python -m benchmarks --target=h200       compiles cases for devices that are not here, and predicts memory and time
"""

from jaxspeech.runtime.huge_pages import restart_with_huge_pages

if __name__ == "__main__":
    restart_with_huge_pages()  # as train.py and transcribe.py do

import argparse
import json
import subprocess
import sys

from benchmarks import (
    alignment,
    attention,
    codec,
    ctc_searches,
    decoding,
    diarization,
    enhancement,
    first_step,
    frontend,
    generation,
    inference,
    language_models,
    loading,
    long_audio,
    losses,
    on_targets,
    phrases,
    planning,
    reading,
    spatial,
    speaker_streaming,
    speakers,
    streaming,
    text_alignment,
    text_to_mel,
    training,
    vocoders,
    voices,
)
from benchmarks.timing import machine
from jaxspeech.targets.target import find_target, prepare_environment

CPU_CASES = {
    **frontend.CASES,
    **losses.CASES,
    **decoding.CASES,
    **ctc_searches.CASES,
    **alignment.CASES,
    **attention.CASES,
    **inference.CASES,
    **long_audio.CASES,
    **language_models.CASES,
    **generation.CASES,
    **loading.CASES,
    **streaming.CASES,
    **training.CASES,
    **enhancement.CASES,
    **codec.CASES,
    **first_step.CASES,
    **planning.CASES,
    **phrases.CASES,
    **reading.CASES,
    **speakers.CASES,
    **diarization.CASES,
    **speaker_streaming.CASES,
    **spatial.CASES,
    **vocoders.CASES,
    **text_alignment.CASES,
    **voices.CASES,
    **text_to_mel.CASES,
}
GPU_CASES = {
    **frontend.GPU_CASES,
    **losses.GPU_CASES,
    **decoding.GPU_CASES,
    **ctc_searches.GPU_CASES,
    **alignment.GPU_CASES,
    **inference.GPU_CASES,
    **language_models.GPU_CASES,
    **generation.GPU_CASES,
    **long_audio.GPU_CASES,
    **streaming.GPU_CASES,
    **training.GPU_CASES,
    **spatial.GPU_CASES,
    **text_alignment.GPU_CASES,
    **text_to_mel.GPU_CASES,
}


def main() -> int:
    """Prints one JSON line per case; returns the number of cases that failed."""
    here = CPU_CASES | GPU_CASES
    names = sorted(here | on_targets.CASES)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=names, metavar="CASE", help=f"one of {', '.join(names)}")
    parser.add_argument("--gpu", action="store_true", help="run the cases for a GPU")
    parser.add_argument(
        "--target", default="", metavar="NAME", help="h100, h200, h200x8, v5e:4x4, ... (docs/scaling.md)"
    )
    parser.add_argument("--repeat", type=int, default=0, help="number of measured runs (default: the case's own)")
    args = parser.parse_args()
    # A case on this machine and one for other devices may have the same name.
    if args.only and args.only not in (on_targets.CASES if args.target else here):
        needs = "has no program for other devices" if args.target else "is for devices that --target names"
        parser.error(f"--only: {args.only} {needs}")

    if args.target:
        prepare_environment(args.target)
        devices = len(find_target(args.target).devices)
        names = [args.only] if args.only else on_targets.cases_for(devices)
        for name in names:
            print(json.dumps(on_targets.compile_case(name, args.target)), flush=True)
        return 0
    if args.only:
        result = {"what": args.only, **machine(), **here[args.only](args.repeat)}
        print(json.dumps(result), flush=True)
        return 0
    failed = 0
    for name in GPU_CASES if args.gpu else CPU_CASES:
        command = [sys.executable, "-m", "benchmarks", f"--only={name}", f"--repeat={args.repeat}"]
        failed += subprocess.run(command).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
