"""Compares vocoders that learnt from the same recordings for as long: HiFi-GAN v1 beside Vocos, the default.

    python -m benchmarks.vocoder_quality --train=train.jsonl --dev=dev.jsonl --minutes=15 --workdir=runs/quality

Trains each recipe for so many minutes, compilation included, and makes the recordings of `dev` again. A JSON line for
each has the distance from their mel frames ("mel", mean |log m - log m'|), from their mel cepstra ("mel_distance", in
dB), and DNSMOS where `speechmos` is installed; the line "recordings" has the DNSMOS of the recordings themselves.
Discriminators are left out unless --discriminators: they refine what a vocoder can do already, after many hours.
With --batch_size a step has fewer segments than in the recipe: 16 of HiFi-GAN's take a minute of two cores.
"""

import argparse
import json
import os
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import num_parameters
from jaxspeech.archive import load_archive
from jaxspeech.audio.read import read
from jaxspeech.configs import hifigan, vocos
from jaxspeech.evaluation.mel_distance import mel_distance
from jaxspeech.evaluation.perceived import dnsmos, missing_package
from jaxspeech.pipelines.vocoder import Vocoder
from jaxspeech.train import train

RECIPES: dict[str, Any] = {
    "hifigan": hifigan.get_config,
    "vocos": vocos.get_config,
    "vocos:small": lambda: vocos.get_config("small"),
}


def trained(name: str, workdir: Path, flags: Any) -> Path:
    """Trains a recipe for as many minutes, unless that was done before; returns the archive."""
    config: Any = RECIPES[name]()
    config.data.train, config.data.eval = str(flags.train), {}
    if not flags.discriminators:
        config.model.discriminators = {"name": "none"}
    if flags.batch_size:
        config.data.batch_seconds *= (flags.batch_size + 0.5) / (config.data.batch_size + 0.5)
        config.data.batch_size = flags.batch_size
    config.checkpoint_every = config.eval_every = config.steps
    archive = workdir / "last.jaxspeech"
    if not archive.exists():
        # On SIGTERM training saves the model and returns. A shell's jobs with & may ignore SIGINT.
        timer = threading.Timer(60 * flags.minutes, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        try:
            train(config, workdir)
        finally:
            timer.cancel()
    return archive


def scores(vocoder: Vocoder, found: list[np.ndarray], wanted: list[np.ndarray]) -> dict[str, float]:
    """Compares recordings that were made again with those that they were made of."""
    pairs = [(vocoder.mel(a), vocoder.mel(b[: len(a)])) for a, b in zip(found, wanted, strict=True)]
    return {
        "mel": float(np.mean([np.abs(a - b).mean() for a, b in pairs])),
        "mel_distance": float(np.mean([mel_distance(a, b)[0] for a, b in pairs])),
        **mean_dnsmos(found, vocoder.sample_rate),
    }


def mean_dnsmos(recordings: list[np.ndarray], sample_rate: int) -> dict[str, float]:
    """Returns the mean DNSMOS, if its package is installed."""
    if missing_package("dnsmos"):
        return {}
    found = [rating["dnsmos"] for samples in recordings if (rating := dnsmos(samples, sample_rate))]
    return {"dnsmos": float(np.mean(found))}


def main() -> None:
    """Prints a line for each recipe, and one for the recordings."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vocoder_quality", description="How vocoders sound")
    parser.add_argument("--train", type=Path, required=True, help="a manifest")
    parser.add_argument("--dev", type=Path, required=True, help="a manifest of other recordings")
    parser.add_argument("--recipes", default=",".join(RECIPES))
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--batch_size", type=int, default=0, help="segments of a step; 0: as in the recipe")
    parser.add_argument("--recordings", type=int, default=20, help="how many of --dev are made again")
    parser.add_argument("--discriminators", action="store_true", help="train against them")
    parser.add_argument("--workdir", default="", help="is kept; by default a temporary one")
    flags = parser.parse_args()
    lines = [json.loads(line) for line in flags.dev.read_text(encoding="utf-8").splitlines()[: flags.recordings]]
    paths = [str(flags.dev.parent / line["audio_filepath"]) for line in lines]
    wanted: list[np.ndarray] = []
    with tempfile.TemporaryDirectory() as temporary:
        for name in flags.recipes.split(","):
            workdir, started = Path(flags.workdir or temporary).resolve() / name.replace(":", "-"), time.process_time()
            archive = load_archive(trained(name, workdir, flags))
            seconds = time.process_time() - started
            vocoder = Vocoder(archive)
            wanted = [read(path, sample_rate=vocoder.sample_rate)[0] for path in paths]
            found = [made.samples for made in vocoder.resynthesize(paths)]
            sizes = {"steps": archive.metadata["step"], "params": num_parameters(vocoder.variables)}
            shown = {"case": "vocoder_quality", "recipe": name, **sizes, "cpu_s": round(seconds, 1)}
            print(json.dumps(shown | scores(vocoder, found, wanted)), flush=True)
    print(json.dumps({"case": "vocoder_quality", "recipe": "recordings", **mean_dnsmos(wanted, vocoder.sample_rate)}))


if __name__ == "__main__":
    main()
