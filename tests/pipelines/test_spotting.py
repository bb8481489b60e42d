"""Tests that several words are spotted in a recording by a model of clips."""

import numpy as np
import pytest

from jaxspeech.archive import Archive, save_archive
from jaxspeech.audio.speech_segments import SegmentOptions
from jaxspeech.cli.main import main
from jaxspeech.errors import ConfigError
from jaxspeech.pipelines.classified import Classified
from jaxspeech.pipelines.classifier import Classifier
from jaxspeech.pipelines.detection import class_numbers, detected, moving_average, strongest, unsmoothed
from jaxspeech.text.classes import Classes
from tests.interop.random_model import random_variables
from tests.surgery.test_classes import MODEL

NAMES = ("alexa", "jarvis", "other")
SPOTTING = MODEL | {"num_classes": 3, "window_seconds": 0.4}
NOISE = (np.random.default_rng(0).normal(size=24000) * 0.1).astype(np.float32)


@pytest.fixture(scope="module")
def archive():
    return Archive(SPOTTING, {"classes": Classes(NAMES)}, random_variables(SPOTTING), {})


def found_in(probabilities, numbers=(0, 1), **options):
    classified = Classified("a", len(probabilities) / 100, [], np.asarray(probabilities, np.float32))
    return detected(
        classified, numbers, NAMES, frame_seconds=0.01, options=SegmentOptions(**options), smoothed=unsmoothed
    )


def test_words_that_are_said_one_after_the_other():
    p = np.tile([0.0, 0.0, 1.0], (300, 1))
    p[40:80], p[150:180], p[200:205] = [0.9, 0, 0.1], [0, 0.7, 0.3], [0.95, 0, 0.05]
    found = found_in(p, min_speech=0.1)
    assert found.segments == [(0.4, 0.8), (1.5, 1.8)] and list(found.labels) == ["alexa", "jarvis"]
    np.testing.assert_allclose(found.scores, [0.9, 0.7], atol=1e-6)
    assert found.probabilities.shape == (300, 2) and found_in(p, (1,)).probabilities.shape == (300,)
    assert list(found_in(p, onset=0.8, offset=0.8).labels) == ["alexa", "alexa"]


def test_the_most_probable_of_words_at_the_same_time():
    p = np.zeros((100, 3))
    p[20:60, 0], p[50:70, 1] = 0.6, 0.8
    assert found_in(p).segments == [pytest.approx((0.5, 0.7))]
    row = [(0.0, 1.0, "a", 0.6), (0.9, 2.0, "b", 0.7), (1.9, 3.0, "c", 0.8), (3.0, 4.0, "a", 0.1)]
    assert sorted(strongest(row)) == [row[0], row[2], row[3]]


def test_which_classes_are_searched():
    assert class_numbers(NAMES, None) == [0, 1] and class_numbers(NAMES, ["other", "alexa"]) == [2, 0]
    assert class_numbers(("speech", "noise"), None) == [0] and class_numbers(("no", "yes"), None) == [1]
    assert class_numbers(("a", "b", "speech"), None) == [2]
    for names, label, message in (
        (("a", "b", "c"), None, "known are a, b, c, and none of them is for everything else"),
        (tuple("abcdefghijklm"), None, "known are a, b, c, d, e, f, g, h, i, j and 3 more, and none of them"),
        (NAMES, "alexia", "label 'alexia' is not a class of the model"),
        (NAMES, [], "no label is given"),
    ):
        with pytest.raises(ConfigError, match=message):
            class_numbers(names, label)


def test_the_moving_average_is_a_mean_of_what_is_there():
    values = np.random.default_rng(1).random(50).astype(np.float32)
    expected = [values[max(i - 3, 0) : i + 4].mean() for i in range(50)]
    np.testing.assert_allclose(moving_average(values, 3), expected, atol=1e-6)
    assert moving_average(values, 0) is values


def test_windows_of_the_models_length_at_any_distance(archive):
    clips = Classifier(archive)
    [each] = clips.segments([NOISE], label="jarvis", windows={"exact": True})
    [apart] = clips.segments([NOISE], label="jarvis", windows={"exact": True, "shift": 0.05, "seconds": 0.4})
    assert apart.frame_seconds == 0.05
    np.testing.assert_allclose(apart.probabilities, each.probabilities[::5], atol=1e-6)
    # The window around 0.75 s, as a clip of its own.
    [alone] = clips.classify([NOISE[12000 - 3200 : 12000 + 3200]])
    np.testing.assert_allclose(each.probabilities[75], alone.probabilities[1], atol=1e-6)
    [words] = clips.segments([NOISE], windows={"exact": True, "shift": 0.05})
    np.testing.assert_array_equal(words.probabilities[:, 1], apart.probabilities)
    for windows, message in (
        ({"shift": 0.1}, "shift is for exact windows"),
        ({"exact": True, "shift": 0.001}, "shift is 0.001; windows are 0.01 s apart or more"),
        ({"average": -1}, "average is -1"),
    ):
        with pytest.raises(ConfigError, match=message):
            clips.segments([NOISE], windows=windows)


def test_the_command_prints_each_word_and_how_many(archive, tmp_path, capsys):
    import soundfile

    save_archive(tmp_path / "m.jaxspeech", **archive._asdict())
    soundfile.write(tmp_path / "a.wav", NOISE, 16000)
    command = ["detect", f"--model={tmp_path}/m.jaxspeech", f"{tmp_path}/a.wav", "--onset=0.05", "--offset=0.05"]
    assert main([*command, "--average=0.1"]) == 0
    out, err = capsys.readouterr()
    words = [line.split("\t")[2] for line in out.splitlines()]
    assert words and set(words) <= {"alexa", "jarvis"} and f"{len(words)} found: " in err
    assert main([*command, "--label=other,jarvis", "--format=jsonl"]) == 0
    out, err = capsys.readouterr()
    assert '"score": 0.' in out and "of 2 classes" in err and '"label": "alexa"' not in out
