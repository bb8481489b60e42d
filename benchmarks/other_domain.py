"""Measures what an n-gram model of a domain's texts does for a recogniser that was trained on another domain.

    python train.py                                                       # or any model of lower-case English
    python -m benchmarks.other_domain --model=runs/quickstart/model.jaxspeech

The sentences are the quickstart's with nouns, chores and weather that its training does not have, spoken by eSpeak NG
in voices that it does not have either (extra `quickstart`). The n-grams are of sentences of the same kind, without
those that are spoken. Those of the quickstart's own sentences are subtracted: a model that has heard few texts has
learnt them too (the density ratio of McDermott et al., 2019). A line for each search: the word error rate, its errors
by kind, and how many times smaller the rate is than that of the greedy search without n-grams.

The weights are those that were best on `--tuning` other sentences of the kind (`--seed` chooses both).
"""

import argparse
import random
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import jaxspeech
from benchmarks.unheard_voices import spoken
from jaxspeech.data.sentences import SLOTS, sentence
from jaxspeech.ngrams.file import write_ngrams
from jaxspeech.ngrams.kneser_ney import train_ngrams
from jaxspeech.text.error_rate import word_errors

OTHER_WORDS = {
    "chore": [
        "paint the fence",
        "sweep the stairs",
        "empty the basket",
        "mow the lawn",
        "polish the silver",
        "fold the laundry",
    ],
    "device": ["printer", "oven", "camera", "speaker", "projector", "dishwasher", "vacuum", "toaster"],
    "food": ["salmon", "honey", "lemons", "potatoes", "chocolate", "mushrooms", "pepper", "onions", "yogurt", "ginger"],
    "person": ["uncle", "grandmother", "captain", "farmer", "lawyer", "cousin", "nurse", "plumber"],
    "place": ["harbor", "castle", "museum", "bakery", "stadium", "factory", "village", "temple"],
    "room": ["attic", "basement", "balcony", "nursery", "cellar", "studio", "laundry room"],
    "thing": ["violin", "camera", "helmet", "blanket", "hammer", "ladder", "necklace", "suitcase"],
    "vehicle": ["ferry", "tram", "helicopter", "minivan"],
    "weather": ["thunder", "hail", "drizzle", "frost", "lightning"],
}
ORDER = 5
# Of the domain's n-grams, of those of the quickstart's sentences, and what each token adds to the score.
WEIGHTS = ((1.0, 0.0, 2.0), (2.0, -0.5, 4.0), (2.5, -0.7, 4.0), (3.0, -0.8, 5.0), (3.0, -1.0, 6.0))
# A language model can only choose what the search has kept. These models are sure of much that is wrong.
SEARCH = {"candidates": 128, "threshold": 1000.0}


def sentences(name: str, slots: Mapping[str, Sequence[str]], count: int) -> list[str]:
    """Returns random sentences; another name gives others."""
    rng = random.Random(name)
    return [sentence(rng, slots) for _ in range(count)]


def save_ngrams(path: Path, tokenizer: Any, texts: Sequence[str]) -> None:
    """Trains n-grams and prints how many there are."""
    ngrams = train_ngrams(map(tokenizer.encode, texts), order=ORDER, vocab_size=tokenizer.vocab_size)
    write_ngrams(path, ngrams)
    print(f"{path.stem}: {sum(table.tokens.size for table in ngrams.orders)} n-grams of {len(texts)} texts")


def word_error_rate(model: Any, clips: Sequence[np.ndarray], said: Sequence[str], **options: Any) -> Any:
    """Returns the counts of errors in what the model finds."""
    return word_errors(said, [found.text for found in model.transcribe(clips, **options)])


def main() -> None:
    """Prints a line for each search."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.other_domain", description="What n-grams of texts do")
    parser.add_argument("--model", required=True)
    parser.add_argument("--beam_size", type=int, default=64)
    parser.add_argument("--sentences", type=int, default=200, help="that are spoken and measured")
    parser.add_argument("--tuning", type=int, default=60, help="that are spoken and choose the weights")
    parser.add_argument("--texts", type=int, default=20_000, help="that the n-grams are trained on")
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    slots = {**SLOTS, **OTHER_WORDS}
    said = sentences(f"domain {flags.seed}", slots, flags.tuning + flags.sentences)
    texts = [text for text in sentences(f"texts {flags.seed}", slots, flags.texts) if text not in set(said)]

    greedy = jaxspeech.load(flags.model)
    clips = spoken(said, rate=greedy.task.inference.sample_rate)
    tuning, measured = (clips[: flags.tuning], said[: flags.tuning]), (clips[flags.tuning :], said[flags.tuning :])
    with tempfile.TemporaryDirectory() as folder:
        domain, source = Path(folder) / "domain.ngram", Path(folder) / "source.ngram"
        save_ngrams(domain, greedy.tokenizer, texts)
        save_ngrams(source, greedy.tokenizer, sentences(f"source {flags.seed}", SLOTS, flags.texts))

        def beam(length_bonus: float) -> Any:
            search: dict[str, Any] = {**SEARCH, "length_bonus": length_bonus}
            return jaxspeech.load(flags.model, jaxspeech.Recognizer, beam_size=flags.beam_size, search=search)

        def models(weights: tuple[float, float, float]) -> Any:
            pairs = zip((domain, source), weights, strict=False)
            return {"language_model": {path: weight for path, weight in pairs if weight}}

        def tuned(choices: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
            rates = [word_error_rate(beam(w[-1]), *tuning, **models(w)).rate for w in choices]
            return choices[int(np.argmin(rates))]

        alone = tuned([(weight, 0.0, 2 * weight) for weight in (0.5, 1.0, 2.0)])
        both = tuned(WEIGHTS)
        rows: list[tuple[str, Any, Any]] = [
            ("greedy", greedy, {}),
            ("greedy, domain 0.5", greedy, {"language_model": domain}),
            (f"beam of {flags.beam_size}", beam(0.0), {}),
            (f"beam, domain {alone[0]:g}, bonus {alone[2]:g}", beam(alone[2]), models(alone)),
            (f"beam, domain {both[0]:g}, source {both[1]:g}, bonus {both[2]:g}", beam(both[2]), models(both)),
        ]
        print("search                                        WER  substituted  deleted  inserted  times smaller")
        first = None
        for name, model, options in rows:
            errors = word_error_rate(model, *measured, **options)
            first = errors.rate if first is None else first
            kinds = f"{errors.substitutions:11d}  {errors.deletions:7d}  {errors.insertions:8d}"
            print(f"{name:42s}  {100 * errors.rate:5.1f}  {kinds}  {first / max(errors.rate, 1e-9):13.2f}", flush=True)


if __name__ == "__main__":
    main()
