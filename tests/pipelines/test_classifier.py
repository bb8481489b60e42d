"""Classes of recordings and of frames, with the smallest possible model."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech.errors import ArchiveError, AudioError, ConfigError
from jaxspeech.inference import programs
from jaxspeech.pipelines.classifier import Classifier
from tests.pipelines.tiny_recognizer import chirps
from tests.pipelines.toy_classifier import (
    CLIPS,
    FRAMES,
    NAMES,
    RATE,
    add_toy_tasks,
    expected_probabilities,
    toy_archive,
)


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAXSPEECH_CACHE", "off")
    add_toy_tasks(monkeypatch)


@pytest.fixture(scope="module")
def audio() -> list[np.ndarray]:
    return [chirps(i, seconds) for i, seconds in enumerate([1.9, 0.4, 1.6])]


def test_a_recording_has_a_probability_for_each_class_by_name(audio: list[np.ndarray]) -> None:
    archive = toy_archive(CLIPS)
    found = Classifier(archive).classify(audio, batch_size=4)
    for result, samples in zip(found, audio, strict=True):
        expected = expected_probabilities(archive, samples, frames=False)
        np.testing.assert_allclose(result.probabilities, expected, atol=1e-5)
        ranked = sorted(zip(NAMES, expected, strict=True), key=lambda pair: -pair[1])
        assert [name for name, _ in result.top] == [name for name, _ in ranked]
        assert [p for _, p in result.top] == pytest.approx([p for _, p in ranked], abs=1e-5)
        assert result.duration == len(samples) / RATE and result.error is None
    assert [result.source for result in found] == ["array 0", "array 1", "array 2"]


def test_frames_have_a_row_each_and_the_recording_their_mean(audio: list[np.ndarray]) -> None:
    archive = toy_archive(FRAMES)
    found = Classifier(archive).classify(audio, batch_size=4)
    for result, samples in zip(found, audio, strict=True):
        expected = expected_probabilities(archive, samples, frames=True)
        np.testing.assert_allclose(result.probabilities, expected, atol=1e-5)
        assert dict(result.top) == pytest.approx(dict(zip(NAMES, expected.mean(0), strict=True)), abs=1e-5)


def test_classes_without_names_are_numbers_and_names_must_be_as_many(audio: list[np.ndarray]) -> None:
    [found] = Classifier(toy_archive(CLIPS, names=None)).classify(audio[0])
    assert sorted(name for name, _ in found.top) == ["0", "1", "2"]
    with pytest.raises(ConfigError, match="3 classes, but names for 2"):
        Classifier(toy_archive(CLIPS, names=("a", "b"))).classify(audio[0])


def test_what_cannot_be_classified_raises_or_is_skipped(
    audio: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = Classifier(toy_archive(CLIPS))
    soundfile.write(tmp_path / "a.wav", audio[0], RATE, subtype="FLOAT")
    good, bad = classifier.classify([tmp_path / "a.wav", tmp_path / "b.wav"], on_error="skip")
    assert good.error is None and good.top == classifier.classify(audio[0])[0].top
    assert bad.error and bad.error.startswith(str(tmp_path / "b.wav")) and not bad.top and bad.duration == 0
    results = classifier.classify_iter([audio[0], tmp_path / "b.wav"])
    assert next(results).top == good.top
    with pytest.raises(AudioError, match="no such file"):
        next(results)
    with pytest.raises(ConfigError, match="batch_size is 0"):
        classifier.classify_iter([], batch_size=0)
    with pytest.raises(TypeError, match=r"classify\(\) got an unexpected keyword argument 'timestamps'"):
        classifier.classify([], timestamps=True)  # type: ignore[call-arg]
    monkeypatch.setattr(programs, "available_bytes", lambda device: 10)
    [too_long] = classifier.classify(audio[0], on_error="skip")
    assert too_long.error and "at once would take" in too_long.error


def test_saved_loaded_and_opened_by_the_right_door_only(audio: list[np.ndarray], tmp_path: Path) -> None:
    classifier = Classifier(toy_archive(CLIPS))
    path = tmp_path / "toy.jaxspeech"
    classifier.save(path)
    again = jaxspeech.load(path, jaxspeech.Classifier)
    assert again.names == NAMES and again.metadata == {"by": "test"} and again.config == classifier.config
    assert again.classify(audio[0])[0].top == classifier.classify(audio[0])[0].top
    line = f"{path} is a classification model: jaxspeech.load(path, jaxspeech.Classifier)"
    with pytest.raises(ConfigError) as caught:
        jaxspeech.load(path)
    assert str(caught.value) == line
    with pytest.raises(ArchiveError, match=r"toy\.nemo: .*toy_clips") as no_family:
        classifier.export_nemo(tmp_path / "toy.nemo")
    assert "\n" not in str(no_family.value)


def test_half_precision_is_asked_for_where_the_model_has_such_parts(audio: list[np.ndarray], tmp_path: Path) -> None:
    classifier = Classifier(toy_archive(CLIPS))
    classifier.save(tmp_path / "toy.jaxspeech")
    half = jaxspeech.load(tmp_path / "toy.jaxspeech", Classifier, dtype="bfloat16")
    assert half.config == classifier.config  # its only part, the features, is always float32
    assert half.variables["params"]["out"]["kernel"].dtype == "bfloat16"
    np.testing.assert_allclose(
        half.classify(audio[0])[0].probabilities, classifier.classify(audio[0])[0].probabilities, atol=0.05
    )
