"""Scores the digits of voices that are left out, of models that start from one of read English.

    jaxspeech prepare fsdd;  jaxspeech prepare librispeech_mini
    python -m benchmarks.left_out_voices --data_dir=data --workdir=runs/left_out

Trains the recipe `fsdd_base` once and then, for each speaker of FSDD, `fsdd_tuned` without that speaker, whose digits
are scored. A JSON line for each, and one with the mean word error rate and all the seconds that it took. A workdir that
is given is kept, and what is finished in it is not repeated. `--scratch` trains the recipe `fsdd` instead, from
nothing, for as many steps.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from benchmarks.training_variants import without_speaker
from jaxspeech.archive import load_archive
from jaxspeech.configs import fsdd, fsdd_base, fsdd_tuned
from jaxspeech.evaluation.old_records import stated_scores
from jaxspeech.train import train

SPEAKERS = ("george", "jackson", "lucas", "theo", "yweweler")


def trained(config: Any, workdir: Path, *, steps: int, seed: int) -> tuple[Path, float]:
    """Trains a model, unless it is there already; returns its archive, and the seconds that it took."""
    config.seed = config.data.seed = seed
    config.steps = steps or config.steps
    archive, started = workdir / "model.jaxspeech", time.perf_counter()
    if not archive.exists():
        train(config, workdir)
    return archive, time.perf_counter() - started


def main() -> None:
    """Prints a line for each speaker, and one for all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.left_out_voices", description="Digits of new voices")
    parser.add_argument("--data_dir", default="data", help="holds fsdd, librispeech_mini, speechocean762_adult")
    parser.add_argument("--speakers", default=",".join(SPEAKERS), help="who are left out, one after the other")
    parser.add_argument("--base", default="", help="a model to start from; by default it is trained")
    parser.add_argument("--base_steps", type=int, default=0, help="instead of the recipe's")
    parser.add_argument("--steps", type=int, default=0, help="instead of the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", action="store_true", help="start from nothing")
    parser.add_argument("--workdir", default="", help="is kept; by default a temporary one")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        workdir, folder = Path(flags.workdir or temporary).resolve(), Path(flags.data_dir)
        base, total, rates = flags.base, 0.0, []
        if not base and not flags.scratch:
            config: Any = fsdd_base.get_config()
            config.data_dir = str(folder)
            base, total = trained(config, workdir / "base", steps=flags.base_steps, seed=flags.seed)
            print(json.dumps({"case": "left_out_voices", "base": str(base), "seconds": round(total, 1)}), flush=True)
        for speaker in flags.speakers.split(","):
            manifests = without_speaker(folder / "fsdd", speaker, workdir / speaker)
            config = fsdd.get_config() if flags.scratch else fsdd_tuned.get_config()
            config.init_from = "" if flags.scratch else str(base)
            config.data.train, config.data.eval = manifests["train"], ConfigDict({"left_out": manifests["left_out"]})
            archive, seconds = trained(config, workdir / speaker, steps=flags.steps, seed=flags.seed)
            total += seconds
            rates.append(stated_scores(load_archive(archive).metadata)["left_out"]["scores"]["wer"])
            shown = {"case": "left_out_voices", "left_out": speaker, "wer": rates[-1], "seconds": round(seconds, 1)}
            print(json.dumps(shown), flush=True)
        mean = {"case": "left_out_voices", "speakers": len(rates), "mean_wer": round(sum(rates) / len(rates), 5)}
        print(json.dumps(mean | {"seconds": round(total, 1)}), flush=True)


if __name__ == "__main__":
    main()
