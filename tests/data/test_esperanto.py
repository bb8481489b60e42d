"""Tests the translation of the quickstart's sentences, and the two lines of each recording."""

import random

import pytest

from jaxspeech.data.esperanto import TRANSLATED, WORDS, translate
from jaxspeech.data.sentences import SLOTS, TEMPLATES, sentence
from jaxspeech.data.two_tasks import TWO_TASKS, both_tasks
from jaxspeech.errors import SpeechError


@pytest.mark.parametrize(
    ("english", "esperanto"),
    [
        (
            "please turn on the living room lights at one fifteen",
            "bonvolu je la unua dekkvin ŝalti la lumojn de la salono",
        ),
        ("turn off the lamp in the kitchen", "malŝaltu la lampon en la kuirejo"),
        ("call my friend in the morning", "matene voku mian amikon"),
        ("call the doctor at noon", "tagmeze voku la kuraciston"),
        ("did you walk the dog at midnight", "ĉu vi noktomeze promenigis la hundon"),
        ("remind me to pay the bill at noon on sunday", "memorigu min dimanĉe tagmeze pagi la fakturon"),
        ("we need milk apples and fish", "ni bezonas lakton pomojn kaj fiŝon"),
        ("there will be fog on monday and rain on today", "lunde estos nebulo kaj hodiaŭ pluvo"),
        ("my number is one two three four seven", "mia numero estas unu du tri kvar sep"),
        ("your sister lost a red bag at the park", "ĉe la parko via fratino perdis ruĝan sakon"),
    ],
)
def test_sentences_are_translated(english, esperanto):
    assert translate(english) == esperanto


def test_every_sentence_has_one_translation_and_keeps_its_meaning():
    found: dict[str, str] = {}
    for seed in range(2000):
        said = sentence(random.Random(seed))
        found[said] = translate(said)
    assert not any(set("{}*:") & set(text) for text in found.values())
    # Sentences that differ have translations that differ: nothing that was said is lost.
    assert len(set(found.values())) == len(found)


def test_all_words_and_templates_are_translated():
    assert {slot: len(words) for slot, words in WORDS.items()} == {slot: len(words) for slot, words in SLOTS.items()}
    assert all(len({*words}) == len(words) for words in WORDS.values())
    slots = [
        [sorted(part.split("}")[0].split(":")[0] for part in text.split("{")[1:]) for text in texts]
        for texts in (TEMPLATES, TRANSLATED)
    ]
    assert slots[0] == slots[1]


def test_other_sentences_have_no_translation():
    with pytest.raises(SpeechError, match="no rule translates 'good night'"):
        translate("good night")


def test_a_recording_has_two_lines():
    line = {"audio_filepath": "a.flac", "duration": 1.5, "text": "add milk and rice to the list", "speaker": "en+f1"}
    transcribed, translated = both_tasks(line)
    assert transcribed == {**line, "source_lang": "en", "target_lang": "en"}
    assert translated == {
        **line,
        "source_lang": "en",
        "target_lang": "eo",
        "text": "aldonu lakton kaj rizon al la listo",
        "transcript": line["text"],
    }


def test_the_corpus_has_the_recordings_of_the_quickstart(tmp_path):
    pytest.importorskip("espeakng_loader", reason='eSpeak NG comes with pip install -e ".[quickstart]"')
    manifests = TWO_TASKS.make(tmp_path, train=2, dev=1)
    lines = {part: path.read_text(encoding="utf-8").splitlines() for part, path in manifests.items()}
    assert {part: len(found) for part, found in lines.items()} == {"train": 4, "dev": 2}
    assert len(list((tmp_path / "audio").rglob("*.flac"))) == 3
