"""Measures what a list of names does for a model that never heard them: their F-score, and errors in other sentences.

    python train.py --config=quickstart:open --workdir=runs/open          # or any model of lower-case English
    python -m benchmarks.boosted_names --model=runs/open/model.jaxspeech --beam_size=16

The names are in everyday sentences, and as many sentences have none; eSpeak NG speaks them in voices that the
quickstart's training does not have (extra `quickstart`). A line for each weight: precision, recall and F-score of the
names, and the word error rates of the sentences with names and without. `--tuning` sentences of each kind choose the
weight: that with the best F-score among those that cost at most `--loss` points of WER without names. It is measured on
others. `--phrases=20000` adds so many made-up names that nobody says.
"""

import argparse
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import jaxspeech
from benchmarks.unheard_voices import spoken
from jaxspeech.cli.recognition import search_options
from jaxspeech.data.sentences import SLOTS, sentence
from jaxspeech.text.error_rate import word_errors

NAMES = [
    "abigail",
    "barnaby",
    "bartholomew",
    "benedict",
    "cassandra",
    "clementine",
    "cordelia",
    "dominic",
    "esmeralda",
    "ferdinand",
    "gwendolyn",
    "harrison",
    "isabella",
    "jeremiah",
    "katarina",
    "leonardo",
    "madeleine",
    "nathaniel",
    "octavia",
    "penelope",
    "quentin",
    "rosalind",
    "sebastian",
    "theodora",
    "valentina",
    "winifred",
    "zachary",
    "bellingham",
    "dunsmore",
    "fitzgerald",
    "hawthorne",
    "kensington",
    "lockwood",
    "montgomery",
    "pemberton",
    "ravenscroft",
    "somerset",
    "thornbury",
    "wellington",
    "whitaker",
]
TEMPLATES = [
    "call {name} {part}",
    "tell {name} that the {vehicle} is late",
    "meet {name} at the {place} on {day}",
    "{name} lost a {color} {thing} at the {place}",
    "please buy {food} for {name}",
    "where is the {color} {thing} of {name}",
    "{name} and {name} are in the {room}",
]
SYLLABLES = [
    "ba",
    "bel",
    "cor",
    "da",
    "den",
    "el",
    "fa",
    "fin",
    "gar",
    "ha",
    "jo",
    "ka",
    "lin",
    "lo",
    "mar",
    "mi",
    "nor",
    "o",
    "pel",
    "ra",
    "rin",
    "sa",
    "sten",
    "ta",
    "tor",
    "u",
    "val",
    "wen",
    "zo",
]


def named_sentence(rng: random.Random) -> str:
    """Returns a sentence with one or two names."""
    words = rng.choice(TEMPLATES).split()
    known = {"{name}": NAMES, **{f"{{{slot}}}": choices for slot, choices in SLOTS.items()}}
    return " ".join(rng.choice(known[word]) if word in known else word for word in words)


def name_scores(references: Sequence[str], found: Sequence[str]) -> tuple[float, float, float]:
    """Returns precision, recall and F-score of the names, in percent; each counts as often as it is said."""
    said = [Counter(word for word in text.split() if word in NAMES) for text in references]
    heard = [Counter(word for word in text.split() if word in NAMES) for text in found]
    hits = sum((a & b).total() for a, b in zip(said, heard, strict=True))
    precision = 100 * hits / max(sum(counts.total() for counts in heard), 1)
    recall = 100 * hits / max(sum(counts.total() for counts in said), 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


class Sentences(NamedTuple):
    """Sentences with names, and without, and how they sound."""

    named: list[str]
    others: list[str]
    clips: list[Any]


class Found(NamedTuple):
    """Precision, recall and F-score of the names, and the word error rates with names and without, in percent."""

    precision: float
    recall: float
    score: float
    of_named: float
    of_others: float

    def line(self, weight: float | None) -> str:
        """The cells of a table."""
        cells = f"{self.precision:9.1f}  {self.recall:6.1f}  {self.score:7.1f}"
        return f"{'none' if weight is None else weight:>6}  {cells}  {self.of_named:14.1f}  {self.of_others:11.1f}"


def drawn(rng: random.Random, count: int) -> tuple[list[str], list[str]]:
    """Returns sentences with names, and as many without."""
    named = [named_sentence(rng) for _ in range(count)]
    return named, [sentence(rng) for _ in range(count)]


def measured(model: Any, sentences: Sentences, **options: Any) -> Found:
    """Transcribes the sentences and counts."""
    named, others, clips = sentences
    found = [hypothesis.text for hypothesis in model.transcribe(clips, **options)]
    ours, theirs = found[: len(named)], found[len(named) :]
    rates = (100 * word_errors(texts, part).rate for texts, part in ((named, ours), (others, theirs)))
    return Found(*name_scores(named, ours), *rates)


def main() -> None:
    """Prints a line for each weight."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.boosted_names", description="What a list of names does")
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", default="0.5,1,1.5,2,3", help="of the phrases")
    parser.add_argument("--sentences", type=int, default=150, help="with names, and as many without")
    parser.add_argument("--tuning", type=int, default=60, help="others with names, and as many without")
    parser.add_argument("--loss", type=float, default=1.0, help="points of WER that a list may cost without names")
    parser.add_argument("--phrases", type=int, default=0, help="made-up names in the list besides")
    parser.add_argument("--beam_size", type=int)
    parser.add_argument("--search", type=search_options, help="of the beam: candidates=64,threshold=50")
    flags = parser.parse_args()
    model = jaxspeech.load(flags.model, jaxspeech.Recognizer, beam_size=flags.beam_size, search=flags.search)
    rng = random.Random(0)
    scored = drawn(rng, flags.sentences)
    made_up = {"".join(rng.choices(SYLLABLES, k=rng.randint(2, 5))) for _ in range(flags.phrases)}
    names = [*NAMES, *sorted(made_up)]
    tuned = drawn(rng, flags.tuning)
    said = [text for part in (*scored, *tuned) for text in part]
    clips = iter(spoken(said, rate=model.task.inference.sample_rate))
    final, tuning = (Sentences(*pair, [next(clips) for part in pair for _ in part]) for pair in (scored, tuned))

    def run(sentences: Sentences, weight: float | None) -> Found:
        options = {} if weight is None else {"boost": names, "boost_weight": weight}
        found = measured(model, sentences, **options)
        print(found.line(weight), flush=True)
        return found

    weights = [float(weight) for weight in flags.weights.split(",")]
    head = "weight  precision  recall  F-score  WER with names  WER without"
    print(f"{flags.tuning} sentences with names and as many without, which choose the weight\n{head}")
    without = run(tuning, None)
    rows = {weight: run(tuning, weight) for weight in weights}
    allowed = [w for w in weights if rows[w].of_others <= without.of_others + flags.loss] or [min(weights)]
    best = max(allowed, key=lambda weight: rows[weight].score)
    print(f"{flags.sentences} others\n{head}")
    for weight in (None, best):
        run(final, weight)


if __name__ == "__main__":
    main()
