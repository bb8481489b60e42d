"""The quickstart corpus: the same bytes every time, made only once, with new voices and sentences for evaluation."""

import hashlib
import json
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jaxspeech.data import quickstart, spoken
from jaxspeech.data.espeak import Espeak
from jaxspeech.data.quickstart import QUICKSTART, plan, split_variants
from jaxspeech.data.voices import invent_voice
from jaxspeech.errors import SpeechError

pytest.importorskip("espeakng_loader", reason='eSpeak NG comes with pip install -e ".[quickstart]"')

VARIANTS = {
    "ann": "pitch 100 120",
    "bob": "pitch 80 90",
    "bob2": "pitch 80 95",
    "bob3": "klatt 4",
    "carl": "language variant\necho 10 10000",
    "carl2": "echo 140 10",
    "hush": "  breath 75 75",
    "m1": "roughness 4",
    "m2": "flutter 5",
    "old": "flutter 20",
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    QUICKSTART.make(folder, train=12, dev=6)
    return folder


@pytest.fixture(scope="module")
def variants() -> dict[str, str]:
    return Espeak().variants


def entries(manifest: Path) -> list[dict]:
    return [json.loads(line) for line in manifest.read_text().splitlines()]


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_same_bytes_every_time(corpus, tmp_path):
    QUICKSTART.make(tmp_path, train=12, dev=6)
    assert digests(tmp_path) == digests(corpus)


def test_manifests_describe_the_files(corpus):
    for part, count in (("train", 12), ("dev", 6)):
        lines = entries(corpus / f"{part}.jsonl")
        assert len(lines) == count
        for line in lines:
            samples, rate = soundfile.read(corpus / line["audio_filepath"], dtype="int16")
            assert rate == 16000
            assert line["duration"] == pytest.approx(len(samples) / rate, abs=1e-4)
            # A word takes 0.15 to 1 second.
            assert 0.15 < line["duration"] / len(line["text"].split()) < 1.0


def test_audio_is_speech_with_noise_at_its_level(corpus, variants):
    utterances = plan(variants, train=12, dev=6)["dev"]
    for utterance in utterances:
        samples, _ = soundfile.read(corpus / "audio" / f"{utterance.name}.flac", dtype="float32")
        assert 20 * np.log10(np.abs(samples).max()) == pytest.approx(utterance.level_db, abs=2.0)
        silence = samples[: int(utterance.silence[0] * 16000)]
        snr = 10 * np.log10(np.mean(samples**2) / np.mean(silence**2))
        assert snr == pytest.approx(utterance.snr_db, abs=1.0)


def test_a_second_call_does_nothing(corpus, monkeypatch):
    monkeypatch.setattr(spoken.subprocess, "run", lambda *args, **kwargs: pytest.fail("made again"))
    manifests = QUICKSTART.make(corpus, train=12, dev=6)
    assert manifests == {"train": corpus / "train.jsonl", "dev": corpus / "dev.jsonl"}


def test_an_incomplete_or_different_corpus_is_made_again(corpus, tmp_path):
    QUICKSTART.make(tmp_path, train=1, dev=6)
    (tmp_path / "audio" / "dev" / "00002.flac").unlink()
    QUICKSTART.make(tmp_path, train=12, dev=6)
    assert digests(tmp_path) == digests(corpus)


def test_evaluation_does_not_occur_in_training(variants):
    parts = plan(variants, train=3000, dev=200)
    texts = {part: {u.text for u in utterances} for part, utterances in parts.items()}
    accents, speakers = (
        {part: {u.voice.split("+")[i] for u in utterances} for part, utterances in parts.items()} for i in (0, 1)
    )
    assert not texts["train"] & texts["dev"]
    assert not speakers["train"] & speakers["dev"]
    assert accents["dev"] - accents["train"] == {quickstart.UNHEARD_ACCENT}
    assert len(texts["dev"]) > 150 and len(speakers["dev"]) > 10
    words = {part: {word for text in texts[part] for word in text.split()} for part in texts}
    assert 100 <= len(words["train"]) <= 200
    assert words["dev"] <= words["train"]


def test_invented_voices_are_in_training_only(variants):
    parts = plan(variants, train=1200, dev=200)
    invented = {name: [u.voice for u in part if "+invented" in u.voice] for name, part in parts.items()}
    assert not invented["dev"]
    assert len(invented["train"]) / 1200 == pytest.approx(spoken.INVENTED_SHARE, abs=0.05)
    # eSpeak has room for 350 voices, so each process adds only a few.
    for first in range(0, 1200, 400):
        speakers = {u.voice.split("+")[1] for u in parts["train"][first : first + 400] if "+invented" in u.voice}
        assert 40 <= len(speakers) <= 50


def test_invented_voices_differ_and_speak(variants):
    voices = {f"invented{i}": invent_voice(random.Random(i)) for i in range(4)}
    assert voices["invented0"] == invent_voice(random.Random(0))
    espeak = Espeak(voices)
    assert espeak.variants == variants | voices
    said = [espeak.speak("good morning", voice=f"en+{name}", rate=150, pitch=50, pitch_range=50) for name in voices]
    assert all(np.abs(samples.astype(float)).max() > 3000 for samples in said)
    assert len({samples.tobytes() for samples in said}) == len(voices)


def test_larger_corpus_starts_like_a_smaller_one(variants):
    small, large = plan(variants, train=20, dev=10), plan(variants, train=40, dev=10)
    assert large["train"][:20] == small["train"]
    assert large["dev"] == small["dev"]


def test_families_stay_together_and_effects_are_not_evaluated():
    heard, unheard = split_variants(VARIANTS)
    # Natural families are ann, bob, carl, m1, m2: every fourth, from the second, is kept for evaluation.
    assert unheard == ["bob", "bob2"]
    assert heard == ["ann", "carl", "carl2", "hush", "m1", "m2", "old"]


def test_unknown_voice_is_an_error():
    with pytest.raises(SpeechError, match="no voice 'en-us\\+nobody'"):
        Espeak().speak("hello", voice="en-us+nobody", rate=175, pitch=50, pitch_range=50)


def test_missing_espeak_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(spoken.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SpeechError, match=r'pip install "jaxspeech\[quickstart\]"') as error:
        QUICKSTART.make(tmp_path / "corpus")
    assert "\n" not in str(error.value)


def test_folder_that_cannot_be_written_is_an_error(tmp_path, capfd):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SpeechError, match="not complete"):
        QUICKSTART.make(tmp_path / "file" / "corpus", train=1, dev=1)
    assert "Traceback" not in capfd.readouterr().err
