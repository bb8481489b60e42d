"""Measures what a list of names does for a model that never heard them: their F-score, and errors in other sentences.

    python train.py                                                       # or any model of lower-case English
    python -m benchmarks.boosted_names --model=runs/quickstart/model.jaxspeech

The names are in everyday sentences, and as many sentences have none; eSpeak NG speaks them in voices that the
quickstart's training does not have (extra `quickstart`). A line for each weight: precision, recall and F-score of the
names, and the word error rates of the sentences with names and without. `--phrases=20000` adds so many made-up names
that nobody says.
"""

import argparse
import random
from collections import Counter
from collections.abc import Sequence

import jaxspeech
from benchmarks.unheard_voices import spoken
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


def main() -> None:
    """Prints a line for each weight."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.boosted_names", description="What a list of names does")
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", default="0.5,1,1.5,2,3", help="of the phrases")
    parser.add_argument("--sentences", type=int, default=150, help="with names, and as many without")
    parser.add_argument("--phrases", type=int, default=0, help="made-up names in the list besides")
    parser.add_argument("--beam_size", type=int)
    flags = parser.parse_args()
    model = jaxspeech.load(flags.model, beam_size=flags.beam_size)
    rng = random.Random(0)
    named = [named_sentence(rng) for _ in range(flags.sentences)]
    others = [sentence(rng) for _ in range(flags.sentences)]
    made_up = {"".join(rng.choices(SYLLABLES, k=rng.randint(2, 5))) for _ in range(flags.phrases)}
    names = [*NAMES, *sorted(made_up)]
    clips = spoken([*named, *others], rate=model.task.inference.sample_rate)
    print("weight  precision  recall  F-score  WER with names  WER without")
    for weight in (None, *map(float, flags.weights.split(","))):
        options = {} if weight is None else {"boost": names, "boost_weight": weight}
        found = [hypothesis.text for hypothesis in model.transcribe(clips, **options)]
        precision, recall, score = name_scores(named, found[: len(named)])
        of_named, of_others = (
            100 * word_errors(texts, part).rate
            for texts, part in ((named, found[: len(named)]), (others, found[len(named) :]))
        )
        cells = f"{precision:9.1f}  {recall:6.1f}  {score:7.1f}  {of_named:14.1f}  {of_others:11.1f}"
        print(f"{'none' if weight is None else weight:>6}  {cells}", flush=True)


if __name__ == "__main__":
    main()
