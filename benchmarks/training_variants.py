"""Compares what a CTC head is trained with: its own loss, losses of middle layers, the consistency of two views.

    jaxspeech prepare fsdd
    python -m benchmarks.training_variants --data_dir=data --steps=3000

Trains the recipe `fsdd` without the digits of one speaker and without those of eSpeak NG, and scores all digits of that
speaker, a new voice. Every variant has the same steps. With two views a step has half the utterances, so that all
variants compute as much, and masks 2.5 times as many stretches of time (arXiv 2410.05101). A JSON line for each
variant and seed, and one for each variant with the mean word error rate. A workdir that is given is kept, and finished
runs in it are not repeated. Time: about 5 minutes a run on two quiet cores, 45 minutes for all.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxspeech.archive import load_archive
from jaxspeech.configs.fsdd import get_config
from jaxspeech.evaluation.old_records import stated_scores
from jaxspeech.train import train

TIME_MASKING = 2.5


def plain(config: Any) -> None:
    """Leaves the recipe as it is."""


def middle(config: Any) -> None:
    """Adds a CTC loss after the second of four layers, with the weight of the paper (arXiv 2102.03216)."""
    config.model.interctc = {"layers": (1,), "weights": (0.3,)}


def two_views(config: Any) -> None:
    """Adds the consistency of two views of half the utterances."""
    config.model.consistency = {"weight": 0.2}
    masks = config.model.spec_augment
    masks.time_masks = round(TIME_MASKING * masks.time_masks)
    config.data.batch_size //= 2
    config.data.batch_seconds /= 2


VARIANTS = {"ctc": plain, "interctc": middle, "cr_ctc": two_views}


def without_speaker(folder: Path, speaker: str, to: Path) -> dict[str, str]:
    """Writes manifests of all other speakers' digits, and of this one's; returns their paths."""
    lines: dict[str, list[str]] = {"train": [], "left_out": []}
    for part in ("train", "dev"):
        for line in (folder / f"{part}.jsonl").read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            entry["audio_filepath"] = str((folder / entry["audio_filepath"]).resolve())
            own = entry["speaker"].endswith(speaker)
            if own or part == "train":
                lines["left_out" if own else "train"].append(json.dumps(entry))
    to.mkdir(parents=True, exist_ok=True)
    for name, rows in lines.items():
        (to / f"{name}.jsonl").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return {name: str(to / f"{name}.jsonl") for name in lines}


def run(variant: str, seed: int, manifests: Mapping[str, str], workdir: Path, flags: Any) -> dict[str, Any]:
    """Trains one model, unless it is there already; returns its scores."""
    config: Any = get_config()
    config.data.train, config.data.eval = manifests["train"], ConfigDict({"left_out": manifests["left_out"]})
    config.data.prepare = ""
    VARIANTS[variant](config)
    config.seed = config.data.seed = seed
    config.steps = config.eval_every = config.checkpoint_every = flags.steps
    archive, started = workdir / f"{variant}-{seed}" / "last.jaxspeech", time.perf_counter()
    if not archive.exists():
        train(config, archive.parent)
    scores = stated_scores(load_archive(archive).metadata)["left_out"]["scores"]
    return {"variant": variant, "seed": seed, "wer": scores["wer"], "seconds": round(time.perf_counter() - started, 1)}


def main() -> None:
    """Prints a line for each variant and seed, and one for each variant."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training_variants", description="What a CTC head is trained with"
    )
    parser.add_argument("--data_dir", default="data", help="holds fsdd")
    parser.add_argument("--speaker", default="lucas", help="who is left out")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--workdir", default="", help="is kept; by default a temporary one")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        workdir = Path(flags.workdir or temporary).resolve()
        manifests = without_speaker(Path(flags.data_dir) / "fsdd", flags.speaker, workdir)
        shown = {"case": "training_variants", "left_out": flags.speaker, "steps": flags.steps}
        for variant in flags.variants.split(","):
            rows = []
            for seed in range(flags.seeds):
                rows.append(run(variant, seed, manifests, workdir, flags))
                print(json.dumps(shown | rows[-1]), flush=True)
            mean = sum(row["wer"] for row in rows) / len(rows)
            print(json.dumps(shown | {"variant": variant, "seeds": len(rows), "mean_wer": round(mean, 5)}), flush=True)


if __name__ == "__main__":
    main()
