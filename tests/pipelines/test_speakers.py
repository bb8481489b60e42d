"""Transcripts with speakers: a tiny random recogniser beside turns that are known, clustered, or of enrolled people."""

import numpy as np
import pytest
import soundfile

from jaxspeech.diarization.attribution import word_speakers
from jaxspeech.diarization.turns import Turn, speakers_of
from jaxspeech.errors import AudioError, ConfigError
from jaxspeech.inference.enrolment_file import read_enrolment
from jaxspeech.inference.voices import Enrolment
from jaxspeech.pipelines.clustering_diarizer import ClusteringDiarizer, Diarized
from jaxspeech.pipelines.embedder import Embedded, Embedder
from jaxspeech.pipelines.known_turns import KnownTurns
from jaxspeech.pipelines.named_diarizer import NamedDiarizer, matched
from jaxspeech.pipelines.recognizer import Recognizer
from tests.pipelines.speaker_model import speaker_archive
from tests.pipelines.test_clustering_diarizer import conversation, everything
from tests.pipelines.tiny_recognizer import RATE, chirps, tiny_archive


@pytest.fixture(scope="module")
def asr():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAXSPEECH_CACHE", "off")
        return Recognizer(tiny_archive())


def halves(samples, rate):
    """Ann speaks in the first half of a recording, Bob in the second."""
    seconds = len(samples) / rate
    return [(0.0, seconds / 2, "ann"), (seconds / 2, seconds, "bob")]


def test_words_have_speakers_and_segments_one_each(asr):
    samples = chirps(0, 3.2)
    plain = asr.transcribe(samples, timestamps=True)[0]
    found = asr.transcribe(samples, speakers=halves)[0]
    assert found.text == plain.text and found.turns == (Turn(0.0, 1.6, "ann"), Turn(1.6, 3.2, "bob"))
    assert [word[:4] for word in found.words] == [word[:4] for word in plain.words]
    names = word_speakers(np.array([word[1:3] for word in found.words]), found.turns)
    assert [word.speaker for word in found.words] == names and {"ann", "bob"} <= set(names)
    assert " ".join(segment.text for segment in found.segments) == " ".join(word.text for word in plain.words)
    for segment in found.segments:
        inside = {word.speaker for word in found.words if segment.start <= word.start and word.end <= segment.end}
        assert segment.speaker in inside
    changes = sum(a.speaker != b.speaker for a, b in zip(found.words, found.words[1:], strict=False))
    assert len(found.segments) >= 1 + changes


def test_results_come_in_order_whatever_fails(asr, tmp_path):
    def picky(samples, rate):
        if len(samples) < rate:
            raise ValueError("too short for me")
        return halves(samples, rate)

    inputs = [chirps(0, 1.6), tmp_path / "none.wav", chirps(1, 0.8), chirps(2, 3.2), np.zeros(100, np.float32)]
    first, missing, short, long, empty = asr.transcribe(inputs, speakers=picky, on_error="skip", batch_size=2)
    assert "no such file" in missing.error and missing.turns is None
    assert [one.turns[-1].end for one in (first, long)] == [1.6, 3.2]
    assert short.text and short.turns is None and "without speakers (" in short.note and "too short" in short.note
    assert empty.text == "" and empty.error is None and empty.words == ()
    with pytest.raises(AudioError, match="too short for me"):
        asr.transcribe(inputs[2], speakers=picky)


def test_a_part_of_a_file_has_the_speakers_of_the_whole_file(asr, tmp_path):
    soundfile.write(tmp_path / "a.wav", chirps(0, 3.2), RATE)
    heard = []

    def speakers(samples, rate):
        heard.append(len(samples) / rate)
        return halves(samples, rate)

    manifest = tmp_path / "m.jsonl"
    lines = [f'{{"audio_filepath": "a.wav", "offset": {start}, "duration": 0.8}}' for start in (0.0, 2.4, 1.2)]
    manifest.write_text("\n".join(lines))
    first, second, third = asr.transcribe(manifest, speakers=speakers)
    assert heard == [pytest.approx(3.2)]  # once for all parts
    assert (speakers_of(first.turns), speakers_of(second.turns)) == (["ann"], ["bob"])
    np.testing.assert_allclose([turn[:2] for turn in third.turns], [(1.2, 1.6), (1.6, 2.0)], atol=1e-6)
    assert {word.speaker for word in second.words} == {"bob"}


def test_channels_have_speakers_of_their_own(asr):
    both = np.stack([chirps(0, 1.6), chirps(1, 1.6)])
    unknown = {"speaker_0": "channel_1_speaker_0", "ann": "ann"}

    def speakers(samples, rate):
        return [(0.0, 0.8, "speaker_0"), (0.8, 1.6, "ann")]

    _, second = asr.transcribe(both, speakers=speakers, channel="each")
    assert speakers_of(second.turns) == sorted(unknown.values())
    assert asr.transcribe(both, speakers=speakers, channel=1)[0].turns[0].speaker == "speaker_0"


def test_probabilities_are_used_where_a_diarizer_has_them(asr):
    _, second = asr.transcribe(chirps(0, 3.2), timestamps=True)[0].words
    half = round(second.start / 0.08)

    class WithActivity:
        """Two speakers whose turns are the same, and whose probabilities are not."""

        def diarize_iter(self, inputs, **options):
            for _ in inputs:
                frames = np.zeros((40, 2))
                frames[:half, 1] = frames[half:, 0] = 0.9
                yield self.found(frames)

        def found(self, frames):
            turns = [Turn(0.0, 3.2, "speaker_0"), Turn(0.0, 3.2, "speaker_1")]
            made = type("Found", (), {})()
            made.turns, made.activity, made.speakers = turns, frames, ("speaker_0", "speaker_1")
            made.frame_seconds, made.error, made.note = 0.08, None, "by two models"
            made._replace = lambda **changed: made
            return made

    found = asr.transcribe(chirps(0, 3.2), speakers=WithActivity())[0]
    assert [word.speaker for word in found.words] == ["speaker_1", "speaker_0"] and found.note == "by two models"


def test_what_is_no_diarizer(asr):
    samples = chirps(0, 1.6)
    with pytest.raises(ConfigError, match=r"speakers is 'x\.nemo', a path; it must be a diarizer, an Embedder, or"):
        asr.transcribe(samples, speakers="x.nemo")
    with pytest.raises(ConfigError, match="speakers is a int; it must be"):
        asr.transcribe(samples, speakers=3)
    with pytest.raises(ConfigError, match="num_speakers: is for finding speakers; give a diarizer as speakers too"):
        asr.transcribe(samples, num_speakers=3)
    with pytest.raises(ConfigError, match="num_speakers: speakers is a function"):
        asr.transcribe(samples, speakers=halves, num_speakers=3)
    with pytest.raises(ConfigError, match="min_speakers is 9, which is more than max_speakers"):
        asr.transcribe_iter(samples, speakers=Embedder(speaker_archive()), min_speakers=9)


def test_turns_that_are_known(asr, tmp_path):
    for name in ("my a.wav", "b.wav"):
        soundfile.write(tmp_path / name, chirps(0, 1.6), RATE)
    (tmp_path / "t.rttm").write_text("SPEAKER my_a 1 0.000 1.600 <NA> <NA> ann <NA> <NA>\n")
    known, paths = KnownTurns(tmp_path / "t.rttm"), [tmp_path / "my a.wav", tmp_path / "b.wav"]
    first, second = asr.transcribe(paths, speakers=known, on_error="skip")
    assert {word.speaker for word in first.words} == {"ann"}
    assert second.turns is None and "has no turns of b" in second.note


@pytest.fixture
def levels(monkeypatch):
    """A speaker model whose embeddings are the shares of two levels in a recording, with enrolled people."""
    embedder = Embedder(speaker_archive())

    def embed_iter(parts, **options):
        for part in parts:
            loud = np.mean(np.asarray(part) > 0.2)
            yield Embedded("", 0.5, np.array([1 - loud, loud, 0, 0, 0, 0], np.float32))

    monkeypatch.setattr(embedder, "embed_iter", embed_iter)
    return embedder


def test_enrolled_people_have_their_names(levels):
    diarizer = ClusteringDiarizer(levels, everything, windows=((1.0, 0.5), (0.5, 0.25)))
    levels.enrolment.add("zoe", np.eye(6)[1:2])
    [found] = NamedDiarizer(diarizer, levels).diarize(conversation())
    assert [turn.speaker for turn in found.turns] == ["speaker_0", "zoe", "speaker_0", "zoe"]
    levels.enrolment.add("ann", np.eye(6)[:1])
    missing, found = NamedDiarizer(diarizer, levels).diarize(["none.wav", conversation()], on_error="skip")
    assert [turn.speaker for turn in found.turns] == ["ann", "zoe", "ann", "zoe"] and "no such file" in missing.error
    [strict] = NamedDiarizer(diarizer, levels, threshold=1.1).diarize(conversation())
    assert speakers_of(strict.turns) == ["speaker_0", "speaker_1"]
    with pytest.raises(ConfigError, match="no speaker is enrolled"):
        NamedDiarizer(diarizer, Embedder(speaker_archive()))


def test_a_name_is_used_once():
    enrolment = Enrolment({"ann": [1.0, 0.0], "bob": [0.8, 0.6]})
    voices = {"speaker_0": np.array([0.9, np.sqrt(0.19)]), "speaker_1": np.array([1.0, 0.0])}
    # Ann's voice is nearest to both, but only one can be Ann.
    assert matched(voices, enrolment, 0.5) == {"speaker_0": "bob", "speaker_1": "ann"}
    assert matched(voices, enrolment, 0.995) == {"speaker_1": "ann"}
    three = voices | {"speaker_2": np.array([-1.0, 0.0])}
    assert sorted(matched(three, enrolment, -1.0).values()) == ["ann", "bob"]
    assert matched({}, enrolment, 0.5) == matched(voices, Enrolment(), 0.5) == {}


def test_files_of_voices(tmp_path):
    vectors = np.eye(3, dtype=np.float32)
    np.savez(tmp_path / "named.npz", embeddings=vectors, speakers=["ann", "bob", "ann"], sources=["1", "2", "3"])
    found = read_enrolment(tmp_path / "named.npz", width=3)
    assert found.names == ("ann", "bob") and found.counts == {"ann": 2, "bob": 1}
    np.testing.assert_allclose(found.vector("ann"), [np.sqrt(0.5), 0, np.sqrt(0.5)], atol=1e-6)
    np.savez(tmp_path / "files.npz", embeddings=vectors, sources=["x/ann.wav", "bob.flac", "y/ann.wav"])
    assert read_enrolment(tmp_path / "files.npz").names == ("ann", "bob")
    with pytest.raises(ConfigError, match="its embeddings have 3 values, those of the speaker model 6"):
        read_enrolment(tmp_path / "named.npz", width=6)
    np.savez(tmp_path / "other.npz", weights=vectors)
    with pytest.raises(ConfigError, match="holds no voices; jaxspeech embed --output"):
        read_enrolment(tmp_path / "other.npz")
    (tmp_path / "text.npz").write_text("ann")
    for name in ("text.npz", "none.npz"):
        with pytest.raises(Exception, match=f"{name}: cannot be read as voices"):
            read_enrolment(tmp_path / name)


def test_an_embedder_alone_clusters(asr, monkeypatch):
    asked = {}

    def diarize_iter(self, inputs, **options):
        asked.update(options)
        return (Diarized("", 3.2, [Turn(0.0, 3.2, "speaker_0")]) for _ in inputs)

    monkeypatch.setattr(ClusteringDiarizer, "diarize_iter", diarize_iter)
    [found] = asr.transcribe(chirps(0, 3.2), speakers=Embedder(speaker_archive()), num_speakers=2)
    assert {word.speaker for word in found.words} == {"speaker_0"}
    assert asked == {"sample_rate": RATE, "on_error": "skip", "num_speakers": 2}
