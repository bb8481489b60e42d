"""Makes the corpus of a first speech language model: sentences spoken by eSpeak NG, and what can be asked about each.

    jaxspeech prepare spoken_questions        # data/spoken_questions

Every sentence has exactly one number, and half of them are questions, so that nobody can know the answers without
hearing it: one number in seventeen is right by chance, and one of two answers to "was it a question". A recording to
train on is the subject of one conversation, which asks for its words, its number, and whether it is a question, in
random order:

    {"audio_filepath": ..., "messages": [{"role": "user", "content": ["which number was said <audio>", ...]}, ...]}

The evaluation asks one of these in a line, of the kinds "words", "number" and "question":

    {"audio_filepath": ..., "context": "transcribe", "text": "wake me up at nine on friday", "kind": "words"}

It has three parts: "dev", whose voices and sentences do not occur in training; "swapped", whose recordings are of other
sentences than its lines say; and "silent", whose recordings are silence. A model that hears scores by chance on the
latter two.
"""

import random
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from jaxspeech.data.quickstart import UNHEARD_ACCENT, split_variants
from jaxspeech.data.sentences import SLOTS
from jaxspeech.data.spoken import ACCENTS, INVENTED_SHARE, SpokenCorpus, Utterance, draw_voice

NUMBERS = (*SLOTS["count"], *SLOTS["minute"])
STATEMENTS = (
    "set the {room} {device} to {number}",
    "please turn {switch} the {room} {device} at {number}",
    "wake me up at {number} on {day}",
    "please buy {number} bags of {food} at the {place}",
    "the {vehicle} to the {place} leaves at {number}",
    "i would like {food} and {food} for {number} people",
    "play some music in the {room} for {number} minutes",
    "meet {article} {person} at {number} on {day}",
    "we need {number} bags of {food}",
    "tell {article} {person} that the {vehicle} leaves at {number}",
    "remind me to {chore} at {number}",
    "my number is {number}",
)
QUESTIONS = (
    "is the {room} {device} set to {number}",
    "will you turn {switch} the {room} {device} at {number}",
    "can you wake me up at {number} on {day}",
    "did you buy {number} bags of {food} at the {place}",
    "does the {vehicle} to the {place} leave at {number}",
    "would you like {food} and {food} for {number} people",
    "can you play some music in the {room} for {number} minutes",
    "will you meet {article} {person} at {number} on {day}",
    "do we need {number} bags of {food}",
    "did {article} {person} leave at {number}",
    "can you {chore} at {number}",
    "is your number {number}",
)
# Kind of a question -> its wordings; training chooses among them, and an evaluation takes the first.
ASKED = {
    "words": ("transcribe", "what was said", "write down what you hear"),
    "number": ("which number was said", "tell me the number"),
    "question": ("was it a question", "is this a question"),
}
# Field of a recording to train on: kinds of questions.
ORDER = "order"
# Far below the step of a sample of 16 bits.
SILENT_DB = -200.0


def sentence(rng: random.Random) -> str:
    """Return one random sentence with one number; every second one is a question."""
    template = rng.choice(rng.choice((STATEMENTS, QUESTIONS)))
    slots: Mapping[str, Any] = {**SLOTS, "number": NUMBERS}
    return re.sub(r"\{(\w+)\}", lambda slot: rng.choice(slots[slot[1]]), template)


def number_of(text: str) -> str:
    """The number in a sentence."""
    [number] = [word for word in text.split() if word in NUMBERS]
    return number


def is_question(text: str) -> bool:
    """Whether a sentence is a question, by its first word."""
    return text.split()[0] in {template.split()[0] for template in QUESTIONS}


def lines(recording: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the lines of a recording: a conversation, if it has an order of questions, or a line for each question."""
    text = recording["text"]
    answers = {"words": text, "number": number_of(text), "question": "yes" if is_question(text) else "no"}
    if ORDER not in recording:
        for kind, answer in answers.items():
            scored = "wer" if kind == "words" else "answer"
            yield {**recording, "context": ASKED[kind][0], "text": answer, "kind": kind, "score": scored}
        return
    messages = []
    for place, kind in enumerate(recording[ORDER]):
        asked = [f"{wording} <audio>" if place == 0 else wording for wording in ASKED[kind]]
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answers[kind]}]
    yield {name: value for name, value in recording.items() if name != ORDER} | {"messages": messages}


def plan(variants: dict[str, str], *, train: int, **evaluation: int) -> dict[str, list[Utterance]]:
    """Plan every utterance: the text, the voice and the manner.

    Args:
      variants: definition of each of eSpeak's speaker variants, by name.
      train: number of training utterances.
      evaluation: number of utterances of "dev", "swapped" and "silent".
    """
    heard, unheard = split_variants(variants)
    taken: set[str] = set()
    parts = {name: list(_utterances(name, count, unheard, taken)) for name, count in evaluation.items()}
    training = _utterances("train", train, heard, taken, invented=INVENTED_SHARE)
    return {"train": list(training), **parts}


def _utterances(
    part: str, count: int, variants: list[str], taken: set[str], *, invented: float = 0.0
) -> Iterator[Utterance]:
    """Plan the utterances of a part; the sentences of evaluations are taken."""
    for i in range(count):
        rng = random.Random(f"questions {part} {i}")  # per utterance, so that a larger corpus starts like a smaller one
        text = sentence(rng)
        while text in taken:
            text = sentence(rng)
        accents = ACCENTS if part == "train" else (*ACCENTS, UNHEARD_ACCENT)
        if part != "train":
            taken.add(text)
        kinds = random.Random(f"order {i}").sample(list(ASKED), len(ASKED))
        yield Utterance(
            name=f"{part}/{i:05d}",
            text=sentence(rng) if part == "swapped" else text,
            voice=draw_voice(rng, i, accents=accents, variants=variants, invented=invented),
            rate=rng.randint(130, 190),
            pitch=rng.randint(30, 70),
            pitch_range=rng.randint(30, 70),
            silence=(rng.uniform(0.05, 0.3), rng.uniform(0.0, 0.1)),
            level_db=SILENT_DB if part == "silent" else rng.uniform(-20.0, -1.0),
            snr_db=rng.uniform(15.0, 45.0),
            seed=rng.getrandbits(32),
            fields={"text": text} | ({ORDER: kinds} if part == "train" else {}),
        )


SPOKEN_QUESTIONS = SpokenCorpus(
    name="spoken_questions",
    module="jaxspeech.data.spoken_questions",
    version=1,
    sample_rate=16000,
    sizes={"train": 8000, "dev": 200, "swapped": 100, "silent": 100},
    plan=plan,
    lines=lines,
)

if __name__ == "__main__":
    sys.exit(SPOKEN_QUESTIONS.main())
