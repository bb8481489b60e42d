"""Embeddings that do not depend on the batch; verification, enrolment and identification by their cosines."""

import jax
import numpy as np
import pytest
import soundfile

from jaxspeech.builder import build
from jaxspeech.errors import AudioError, ConfigError
from jaxspeech.pipelines.embedder import DEFAULT_THRESHOLD, Embedder
from tests.pipelines.speaker_model import RATE, speaker_archive
from tests.pipelines.tiny_recognizer import chirps

SECONDS = (0.3, 20.0, 1.1)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(speaker_archive())


@pytest.fixture(scope="module")
def audio() -> list[np.ndarray]:
    # All are padded to two seconds: one program.
    return [chirps(i, seconds) for i, seconds in enumerate((1.9, 1.6, 1.8, 1.7))]


@pytest.fixture(scope="module")
def vectors(embedder, audio) -> np.ndarray:
    """Normalised embeddings of each recording, computed alone."""
    found = np.stack([embedder.embed(samples)[0].vector for samples in audio])
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("name", ["titanet", "ecapa"])
def test_an_embedding_does_not_depend_on_the_batch_nor_on_what_the_padding_holds(name):
    archive = speaker_archive(name)
    task = build(archive.model)
    audio = [chirps(i, seconds) for i, seconds in enumerate(SECONDS)]
    samples = np.full((3, round(max(SECONDS) * RATE)), np.nan, np.float32)
    for row, own in zip(samples, audio, strict=True):
        row[: len(own)] = own
    lengths = np.array([len(own) for own in audio], np.int32)
    together = jax.jit(task.inference.embed)(archive.variables, samples, lengths)
    pipeline = Embedder(archive)
    for row, own in zip(together, audio, strict=True):
        [alone] = pipeline.embed(own)
        np.testing.assert_allclose(row, alone.vector, atol=1e-5 * np.abs(alone.vector).max())
        assert alone.vector.shape == (6,) and alone.duration == len(own) / RATE


def test_results_come_in_the_order_of_the_inputs(embedder, audio, vectors, tmp_path):
    soundfile.write(tmp_path / "a.wav", audio[2], RATE, subtype="FLOAT")
    found = embedder.embed([audio[0], tmp_path / "a.wav", audio[1]], batch_size=1)
    assert [x.source for x in found] == ["array 0", str(tmp_path / "a.wav"), "array 1"]
    units = [x.vector / np.linalg.norm(x.vector) for x in found]
    np.testing.assert_allclose(units, vectors[[0, 2, 1]], atol=1e-5)


def test_verify_is_the_cosine_against_a_threshold(embedder, audio, vectors):
    cosine = float(vectors[0] @ vectors[1])
    found = embedder.verify(audio[0], audio[1])
    assert found.score == pytest.approx(cosine, abs=1e-5) and found.threshold == DEFAULT_THRESHOLD == 0.4
    assert found.same == (cosine >= 0.4)
    assert embedder.verify(audio[0], audio[1], threshold=cosine - 1e-3).same
    assert not embedder.verify(audio[0], audio[1], threshold=cosine + 1e-3).same
    assert embedder.verify(audio[0], audio[0]).score == pytest.approx(1, abs=1e-5)


def test_the_threshold_is_the_models():
    assert Embedder(speaker_archive(threshold=0.7)).threshold == 0.7
    scores = {"dev": {"eer": 0.1, "threshold": 0.3}, "test": {"threshold": 0.5}}
    assert Embedder(speaker_archive(scores=scores)).threshold == 0.3
    assert Embedder(speaker_archive(scores=scores, threshold=0.2)).threshold == 0.2
    assert Embedder(speaker_archive(scores={"dev": {}}, threshold="?")).threshold == DEFAULT_THRESHOLD


def test_a_score_normalised_by_a_cohort(embedder, audio, vectors):
    """AS-norm is the mean of the z-scores against both sides' scores with the cohort."""
    cosine, cohort = vectors[0] @ vectors[1], vectors[2:]
    z = [(cosine - side.mean()) / side.std() for side in (cohort @ vectors[0], cohort @ vectors[1])]
    found = embedder.verify(audio[0], audio[1], cohort=audio[2:], threshold=0.0)
    assert found.score == pytest.approx(np.mean(z), rel=1e-2) and found.same == (np.mean(z) >= 0)
    given = embedder.verify(audio[0], audio[1], cohort=cohort, threshold=0.0)
    assert given.score == pytest.approx(found.score, rel=1e-2)
    with pytest.raises(ConfigError, match="give a threshold with the cohort"):
        embedder.verify(audio[0], audio[1], cohort=audio[2:])
    with pytest.raises(ConfigError, match="the cohort has 1 recordings"):
        embedder.verify(audio[0], audio[1], cohort=audio[2:3], threshold=0.0)


def test_enrolled_speakers_are_the_means_of_their_recordings(audio, vectors):
    embedder = Embedder(speaker_archive())
    embedder.enrol({"ann": audio[:2], "bob": audio[2]})
    ann = vectors[0] + vectors[1]
    people = np.stack([ann / np.linalg.norm(ann), vectors[2]])
    scores = people @ vectors[3]
    best = int(scores.argmax())
    [found] = embedder.identify(audio[3], threshold=-1.0)
    assert found.name == ("ann", "bob")[best] == found.top[0][0] and found.duration == pytest.approx(1.7)
    assert dict(found.top) == pytest.approx({"ann": float(scores[0]), "bob": float(scores[1])}, abs=1e-5)
    assert embedder.identify(audio[3], threshold=1.1)[0].name is None
    assert embedder.verify(audio[3], ("speaker", "ann")).score == pytest.approx(float(scores[0]), abs=1e-5)
    # More recordings of somebody who is enrolled count as if all had come at once.
    embedder.enrol({"bob": [audio[3], audio[3]]})
    bob = vectors[2] + 2 * vectors[3]
    expected = float(bob @ vectors[3] / np.linalg.norm(bob))
    assert dict(embedder.identify(audio[3])[0].top)["bob"] == pytest.approx(expected, abs=1e-5)


def test_what_cannot_be_used_is_one_line(embedder, audio, tmp_path):
    tiny, missing = audio[0][: RATE // 100], tmp_path / "none.wav"
    with pytest.raises(AudioError, match=r"^array 0: 10 ms of audio; it takes at least 100 ms to recognise a speaker$"):
        embedder.embed(tiny)
    good, short, gone = embedder.embed([audio[0], tiny, missing], on_error="skip")
    assert good.error is None and len(short.vector) == len(gone.vector) == 0
    assert "10 ms of audio" in str(short.error) and gone.error == f"{missing}: no such file"
    with pytest.raises(AudioError, match="2 recordings; a side of a comparison is one"):
        embedder.verify(audio[:2], audio[0])
    with pytest.raises(ConfigError, match=r"^the speaker 'ann' is not enrolled; nobody is$"):
        embedder.verify(audio[0], ("speaker", "ann"))
    with pytest.raises(ConfigError, match="no speaker is enrolled"):
        embedder.identify(audio[0])
    with pytest.raises(ConfigError, match=r"^the speaker 'ann' has no recording to enrol$"):
        embedder.enrol({"ann": []})
    with pytest.raises(AudioError, match="no such file"):
        embedder.enrol({"ann": audio[0], "bob": missing}, on_error="skip")
    assert embedder.enrolment.names == ()  # all or nothing


def test_identify_skips_what_cannot_be_read(audio, tmp_path):
    embedder = Embedder(speaker_archive())
    embedder.enrol({"ann": audio[0]})
    bad, good = embedder.identify([tmp_path / "none.wav", audio[0]], on_error="skip")
    assert bad.error == f"{tmp_path / 'none.wav'}: no such file" and bad.name is None and bad.top == []
    assert good.error is None and good.name == "ann"
