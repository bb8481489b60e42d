"""Vocoders: mel frames and recordings, in batches, in parts and live; mistakes."""

import json

import numpy as np
import pytest

import jaxspeech
from jaxspeech.archive import save_archive
from jaxspeech.errors import ConfigError, SpeechError
from jaxspeech.pipelines import vocoder as module
from jaxspeech.pipelines.vocoder import Vocoder
from tests.pipelines.toy_voice import HOP, MELS, RATE, VOCODER, archives, toys_in_the_table


@pytest.fixture(scope="module", autouse=True)
def _toys():
    with toys_in_the_table():
        yield


@pytest.fixture(scope="module")
def vocoder(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocoder") / "vocoder.jaxspeech"
    save_archive(path, **archives()[1]._asdict())
    return jaxspeech.load(path, jaxspeech.Vocoder)


def written_out(vocoder, mel):
    x = np.pad(mel, ((1, 1), (0, 0)))
    frames = np.concatenate([x[:-2], x[1:-1], x[2:]], -1)
    return (frames @ np.asarray(vocoder.variables["params"]["generator"]["kernel"])).reshape(-1)


def mels(*sizes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal((size, MELS)).astype(np.float32) for size in sizes]


def test_mel_frames_become_samples_in_any_batch(vocoder, monkeypatch):
    assert (vocoder.sample_rate, vocoder.hop, vocoder.num_mels) == (RATE, HOP, MELS)
    assert list(vocoder.variables["params"]) == ["generator"]
    given = mels(3, 70, 1, 33, 0)
    monkeypatch.setattr(module, "WINDOW", 3)
    monkeypatch.setattr(module, "MOST_FRAMES", 60)  # the second part by part
    found = vocoder.vocode(iter(given), batch_size=2)
    assert [one.source for one in found] == [f"mel {i}" for i in range(5)]
    for mel, one in zip(given, found, strict=True):
        np.testing.assert_allclose(one.samples, written_out(vocoder, mel), atol=1e-5)
        assert one.duration == len(mel) * HOP / RATE
    stream = vocoder.stream()
    parts = [stream.feed(given[1][i : i + 7]) for i in range(0, 70, 7)]
    np.testing.assert_allclose(np.concatenate([*parts, stream.finish()]), found[1].samples, atol=1e-5)
    np.testing.assert_allclose(vocoder.vocode(given[0], denoise=0.1)[0].samples, found[0].samples, atol=1e-5)


def test_recordings_are_made_again(vocoder, monkeypatch):
    recording = np.random.default_rng(1).uniform(-0.5, 0.5, 803).astype(np.float32)
    short = np.zeros(HOP - 1, np.float32)
    found = vocoder.resynthesize([recording, recording[:100], short], on_error="skip")
    expected = vocoder.vocode([vocoder.mel(recording), vocoder.mel(recording[:100])])
    for one, made in zip(found, expected, strict=False):
        np.testing.assert_allclose(one.samples, made.samples, atol=1e-4)
        assert len(one.samples) % HOP == 0 and len(made.samples) in (800, 96)
    assert found[2].error == f"array 2: {HOP - 1} samples are less than a frame, {HOP}" and not len(found[2].samples)
    monkeypatch.setattr("jaxspeech.inference.rows.FULL_BATCH_SECONDS", 0.5)  # all of it long: part by part
    np.testing.assert_allclose(vocoder.resynthesize(recording)[0].samples, expected[0].samples, atol=1e-4)
    with pytest.raises(SpeechError, match=r"none\.wav"):
        vocoder.resynthesize("none.wav")


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (np.zeros((3, MELS + 1)), {}, r"mel 0: an array of float64 with the shape \(3, 5\); this vocoder takes"),
        ([np.zeros((3, MELS)), np.zeros(3)], {}, "mel 1: an array"),
        (np.full((3, MELS), np.nan), {}, "mel 0: its mel frames are not all finite"),
        ("a.wav", {}, r"vocode takes mel frames \[T 4\], not str"),
        (np.zeros((3, MELS)), {"denoise": 2}, "denoise is 2; it must be from 0 to 1"),
        (np.zeros((3, MELS)), {"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_mistakes_are_one_line(vocoder, given, options, message):
    with pytest.raises(ConfigError, match=message) as raised:
        vocoder.vocode(given, **options)
    assert "\n" not in str(raised.value)


def test_what_cannot_work_in_parts_says_so(vocoder):
    whole = Vocoder(vocoder.archive._replace(model=json.loads(json.dumps(VOCODER)) | {"parts": False}))
    with pytest.raises(ConfigError, match="cannot work part by part"):
        whole.stream()
    with pytest.raises(ConfigError, match=r"mel takes samples \[S\]"):
        whole.mel(np.zeros((2, 5)))
