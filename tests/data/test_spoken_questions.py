"""The corpus of questions: what is asked about each sentence, and what cannot be guessed."""

from collections import Counter

from jaxspeech.data.chat_turns import turns_of
from jaxspeech.data.quickstart import split_variants
from jaxspeech.data.spoken_questions import NUMBERS, SPOKEN_QUESTIONS, is_question, lines, number_of

VARIANTS = dict.fromkeys(("f1", "f2", "f3", "f4", "m1", "m2", "m3", "m4", "iven", "iven2"), "")


def test_plan():
    sizes = {"dev": 20, "swapped": 20, "silent": 5}
    parts = SPOKEN_QUESTIONS.plan(VARIANTS, train=600, **sizes)
    assert {name: len(part) for name, part in parts.items()} == {"train": 600, **sizes}
    texts = {name: [one.fields["text"] for one in part] for name, part in parts.items()}
    assert not {*texts["train"]} & {text for name in sizes for text in texts[name]}
    _, unheard = split_variants(VARIANTS)
    assert all(one.voice.partition("+")[2] in unheard for name in sizes for one in parts[name])
    assert all(one.text == one.fields["text"] for name in ("train", "dev", "silent") for one in parts[name])
    assert all(one.text != one.fields["text"] for one in parts["swapped"])
    assert all((one.level_db < -150) == (name == "silent") for name, part in parts.items() for one in part)
    # Neither answer can be guessed.
    assert max(Counter(map(number_of, texts["train"])).values()) < 2 * 600 / len(NUMBERS)
    assert abs(sum(map(is_question, texts["train"])) - 300) < 60


def test_what_is_asked_about_a_recording():
    text = "did you buy two bags of rice"
    made = {line["kind"]: line for line in lines({"audio_filepath": "a", "text": text})}
    assert {kind: (line["context"], line["text"], line["score"]) for kind, line in made.items()} == {
        "words": ("transcribe", text, "wer"),
        "number": ("which number was said", "two", "answer"),
        "question": ("was it a question", "yes", "answer"),
    }
    order = ["number", "question", "words"]
    [line] = lines({"audio_filepath": "a", "text": "set the hallway fan to nine", "order": order})
    turns = turns_of(line, ())
    assert [turn.text for turn in turns][::2] == ["which number was said <audio>", "was it a question", "transcribe"]
    assert [turn.text for turn in turns][1::2] == ["nine", "no", "set the hallway fan to nine"]
