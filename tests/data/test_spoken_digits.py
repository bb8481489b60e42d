"""Spoken digits: all equally often, by many voices."""

import json
from collections import Counter

import pytest
import soundfile

from jaxspeech.data.espeak import Espeak
from jaxspeech.data.spoken import CHUNK
from jaxspeech.data.spoken_digits import DIGITS, SPOKEN_DIGITS, plan

pytest.importorskip("espeakng_loader", reason='eSpeak NG comes with pip install -e ".[quickstart]"')


@pytest.fixture(scope="module")
def utterances():
    return plan(Espeak().variants, train=2 * CHUNK)["train"]


def test_all_digits_are_equally_frequent(utterances):
    assert Counter(u.text for u in utterances) == dict.fromkeys(DIGITS, 2 * CHUNK // 10)


def test_no_voice_has_a_large_share(utterances):
    speakers = Counter(u.voice.partition("+")[2] for u in utterances)
    assert len(speakers) > 150 and max(speakers.values()) < 0.05 * len(utterances)


def test_a_larger_corpus_starts_like_a_smaller_one(utterances):
    assert plan(Espeak().variants, train=30)["train"] == utterances[:30]


def test_files_and_transcripts(tmp_path, utterances):
    manifests = SPOKEN_DIGITS.make(tmp_path, train=20)
    assert list(manifests) == ["train"]
    lines = [json.loads(line) for line in manifests["train"].read_text().splitlines()]
    assert [line["text"] for line in lines] == [u.text for u in utterances[:20]]
    for line in lines:
        samples, rate = soundfile.read(tmp_path / line["audio_filepath"])
        assert rate == 8000 and line["duration"] == pytest.approx(len(samples) / rate, abs=1e-4)
        assert 0.15 < line["duration"] < 1.5
