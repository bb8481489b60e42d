"""The corpus of a voice: one voice and manner, punctuated sentences of many words, none of evaluation in training."""

import json
import random
import re

import pytest
import soundfile

from jaxspeech.data.quickstart import split_variants
from jaxspeech.data.sentences import sentence
from jaxspeech.data.voice import SPEAKER, VOICE, plan
from jaxspeech.data.voice_sentences import known_sentence, plural, voice_sentence

pytest.importorskip("espeakng_loader", reason='eSpeak NG comes with pip install -e ".[quickstart]"')


def test_evaluation_is_of_known_words_and_not_in_training():
    parts = plan({}, train=2400, dev=50)
    texts = {name: [u.text for u in part] for name, part in parts.items()}
    assert len(set(texts["dev"])) == 50 and not set(texts["dev"]) & set(texts["train"])
    assert len(set(texts["train"])) > 2200
    words = {word for text in texts["train"] for word in re.findall(r"[a-z']+", text.lower())}
    known = {word for i in range(4000) for word in sentence(random.Random(i)).split()}
    assert len(words) > 900
    assert {word for text in texts["dev"] for word in re.findall(r"[a-z']+", text.lower())} <= known
    assert plan({}, train=20, dev=50)["train"] == parts["train"][:20]


def test_sentences_are_written_as_people_do():
    texts = [voice_sentence(random.Random(i)) for i in range(300)]
    assert all(re.fullmatch(r"[A-Z][A-Za-z' ,;:-]*[.?!]", text) for text in texts)
    assert {text[-1] for text in texts} == {".", "?", "!"}
    known = {known_sentence(random.Random(i)) for i in range(300)}
    assert "can I find the" in " ".join(known) and not re.search(r"\b(i|monday)\b", " ".join(known))
    assert [plural(noun) for noun in ("witch", "story", "toy", "wolf", "stomach", "box")] == [
        *("witches", "stories", "toys", "wolves", "stomachs", "boxes")
    ]


def test_the_files_are_of_one_unheard_speaker(tmp_path):
    from jaxspeech.data.espeak import Espeak

    assert SPEAKER.partition("+")[2] in split_variants(Espeak().variants)[1]
    made = VOICE.make(tmp_path, train=2, dev=1)
    lines = [json.loads(line) for path in made.values() for line in path.read_text().splitlines()]
    assert [line["speaker"] for line in lines] == [SPEAKER] * 3
    for line in lines:
        samples, rate = soundfile.read(tmp_path / line["audio_filepath"])
        assert rate == 16000 and abs(samples).max() == pytest.approx(10 ** (-3 / 20), rel=0.01)
        assert abs(samples[: int(0.06 * rate)]).max() < 0.01 * abs(samples).max()
