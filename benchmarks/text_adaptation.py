"""Measures what lines of text alone do for a recogniser in a domain that it has never heard.

    python train.py                                                       # the quickstart's recogniser
    jaxspeech train --config=text_generator:runs/quickstart/model.jaxspeech --workdir=runs/generator
    python -m benchmarks.text_adaptation --model=runs/quickstart/model.jaxspeech \
        --generator=runs/generator/model.jaxspeech --recordings=runs/quickstart/data/train.jsonl

The domain is that of `benchmarks.other_domain`: the quickstart's sentences with nouns, chores and weather that its
training does not have. A text-to-mel model speaks 20,000 other sentences of the kind to the recogniser
(configs/hybrid_text.py). So that it does not forget its own domain, `--recordings` are mixed in, in the share that
`--share` leaves, or without any, `--home` is the share of lines that are the quickstart's own sentences. Both sets of
`--sentences` are then spoken by eSpeak NG in voices that neither model has heard (extra `quickstart`). A line for each
model: the word error rates at home and in the domain, and how much lower the latter is.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

import jaxspeech
from benchmarks.other_domain import OTHER_WORDS, sentences, word_error_rate
from benchmarks.unheard_voices import spoken
from jaxspeech.configs.hybrid_text import get_config
from jaxspeech.data.sentences import SLOTS
from jaxspeech.train import train


def adapted(flags: argparse.Namespace, texts: Path, workdir: Path) -> Path:
    """Trains the recogniser on lines of text; returns its archive."""
    config = get_config(f"{flags.model},{flags.generator}")
    config.text.train, config.data.eval = str(texts), ConfigDict()
    if flags.recordings:
        config.data.train, config.text.share = flags.recordings, flags.share
    config.optimizer.learning_rate, config.seed = flags.learning_rate, flags.seed
    config.steps = config.eval_every = config.checkpoint_every = flags.steps
    train(config, workdir)
    return workdir / "last.jaxspeech"


def main() -> None:
    """Prints a line for each model."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.text_adaptation", description="What lines of text do")
    parser.add_argument("--model", required=True)
    parser.add_argument("--generator", required=True, help="a text-to-mel model with the recogniser's mel frames")
    parser.add_argument("--sentences", type=int, default=200, help="that are spoken and measured, of each domain")
    parser.add_argument("--texts", type=int, default=20_000, help="that the recogniser is trained on")
    parser.add_argument("--home", type=float, help="share of texts of its own domain; 0.3, and 0 with recordings")
    parser.add_argument("--recordings", default="", help="a manifest of recordings to mix in")
    parser.add_argument("--share", type=float, default=0.5, help="of text, with recordings")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--learning_rate", type=float, default=1e-3)
    parser.add_argument("--workdir", default="", help="is kept; by default a temporary one")
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    slots = {**SLOTS, **OTHER_WORDS}
    said = {
        "home": sentences(f"home {flags.seed}", SLOTS, flags.sentences),
        "domain": sentences(f"domain {flags.seed}", slots, flags.sentences),
    }
    home = (0.0 if flags.recordings else 0.3) if flags.home is None else flags.home
    own = round(home * flags.texts)
    texts = sentences(f"source {flags.seed}", SLOTS, own) + sentences(f"texts {flags.seed}", slots, flags.texts - own)
    kept = [text for text in texts if text not in {*said["home"], *said["domain"]}]
    before = jaxspeech.load(flags.model)
    clips = {name: spoken(lines, rate=before.task.inference.sample_rate) for name, lines in said.items()}

    def rates(model: Any) -> dict[str, float]:
        return {name: word_error_rate(model, clips[name], said[name]).rate for name in said}

    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "lines.txt"
        lines.write_text("".join(f"{text}\n" for text in kept), encoding="utf-8")
        found = {"as it was": rates(before)}
        after = adapted(flags, lines, Path(flags.workdir or Path(folder) / "run"))
        found[f"after {flags.steps} steps on {len(kept)} texts"] = rates(jaxspeech.load(after))
    print("model                                         home  domain  lower by")
    for name, rate in found.items():
        less = 1 - rate["domain"] / max(found["as it was"]["domain"], 1e-9)
        print(f"{name:42s}  {100 * rate['home']:6.2f}  {100 * rate['domain']:6.2f}  {100 * less:7.1f}%")


if __name__ == "__main__":
    main()
