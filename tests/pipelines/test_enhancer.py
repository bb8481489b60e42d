"""The enhancer: rates, lengths, channels and files as they were, long recordings as short ones, live as whole."""

import jax
import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech.archive import save_archive
from jaxspeech.errors import AudioError, ConfigError, SpeechError
from tests.pipelines.live_enhancer import MODEL, RATE, random_variables

RNG = np.random.default_rng(0)


def noise(seconds, *shape, rate=RATE):
    return (0.1 * RNG.normal(size=(*shape, round(seconds * rate)))).astype(np.float32)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("enhancer") / "live.jaxspeech"
    save_archive(path, model=MODEL, assets={}, variables=random_variables())
    return path


@pytest.fixture(scope="module")
def enhancer(path):
    return jaxspeech.load(path, jaxspeech.Enhancer)


@pytest.fixture(scope="module")
def reference(enhancer):
    """The model alone, on one channel, in one program for all lengths."""
    enhance = jax.jit(enhancer.task.inference.enhance)

    def enhanced(samples):
        padded = np.pad(samples, (0, 2 * RATE - len(samples)), constant_values=np.nan)
        return np.asarray(enhance(enhancer.variables, padded[None, None], np.array([len(samples)])))[
            0, 0, : len(samples)
        ]

    return enhanced


def test_results_are_as_long_as_the_recordings_and_do_not_depend_on_each_other(enhancer, reference):
    short, other = noise(0.4313), noise(0.31)
    found = enhancer.enhance([short, other, np.stack([short, short[::-1]])])
    assert [x.samples.shape for x in found] == [short.shape, other.shape, (2, len(short))]
    assert [x.source for x in found] == ["array 0", "array 1", "array 2"] and found[0].sample_rate == RATE
    np.testing.assert_allclose(found[0].samples, reference(short), atol=1e-5)
    np.testing.assert_allclose(found[1].samples, reference(other), atol=1e-5)
    np.testing.assert_allclose(found[2].samples, [reference(short), reference(short[::-1])], atol=1e-5)
    assert np.abs(found[0].samples[-5:]).min() > 0


def test_a_causal_model_gives_the_same_in_parts(enhancer, reference):
    long = noise(1.6187)
    [found] = enhancer.enhance(long, chunk_seconds=0.5)
    np.testing.assert_allclose(found.samples, reference(long), atol=1e-5)
    assert len(found.samples) == len(long)


def test_windows_give_almost_the_same(path, reference):
    """For models that cannot run as a stream."""
    enhancer, long = jaxspeech.load(path, jaxspeech.Enhancer), noise(1.9)
    enhancer._streaming = None
    [found] = enhancer.enhance(long, chunk_seconds=0.6, batch_size=3)
    error = found.samples - reference(long)
    assert found.samples.shape == long.shape
    assert 10 * np.log10(np.square(reference(long)).sum() / np.square(error).sum()) > 30
    assert np.abs(error[:3000]).max() < 1e-5  # the first window, before the fade


def test_a_stream_gives_the_same_in_parts(enhancer, reference):
    long = noise(0.5)
    stream, found, rest = enhancer.stream(step=2), [], long
    assert stream.latency_seconds == pytest.approx((32 + 2 * 16 + 16) / RATE)
    for size in (1, 100, 0, 7, 2000, 5000):
        found.append(stream.feed(rest[:size]))
        rest = rest[size:]
    found.append(stream.finish())
    np.testing.assert_allclose(np.concatenate(found), reference(long), atol=1e-5)
    with pytest.raises(AudioError, match="is finished"):
        stream.feed(long)
    fed = sum(map(len, found[:5]))  # what has come out after 2108 samples
    assert fed >= 2108 - (32 + 2 * 16 + 16)


def test_dry_and_wet(enhancer, reference):
    samples = noise(0.9)
    for options, wet in (({"mix": 0.25}, 0.25), ({"attenuation_limit_db": 20.0}, 0.9), ({"mix": 0.0}, 0.0)):
        for more in ({}, {"chunk_seconds": 0.5}):
            [found] = enhancer.enhance(samples, **options, **more)
            np.testing.assert_allclose(found.samples, wet * reference(samples) + (1 - wet) * samples, atol=1e-5)
        stream = enhancer.stream(**options)
        live = np.concatenate([stream.feed(samples[:3000]), stream.feed(samples[3000:]), stream.finish()])
        np.testing.assert_allclose(live, wet * reference(samples) + (1 - wet) * samples, atol=1e-5)


def test_files_stay_as_they_are(enhancer, tmp_path):
    noisy = tmp_path / "noisy"
    for name, rate, channels, subtype in (
        ("a.wav", 8000, 1, "PCM_24"),
        ("deep/a.wav", 16000, 2, "FLOAT"),
        ("deep/b.flac", 11025, 1, "PCM_16"),
        ("c.ogg", 8000, 1, "VORBIS"),
    ):
        (noisy / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(noisy / name, noise(0.33, channels, rate=rate).T, rate, subtype=subtype)
    (noisy / "broken.wav").write_bytes(b"RIFF no")
    results = enhancer.enhance(noisy, output=tmp_path / "clean", on_error="skip", chunk_seconds=0.5)
    assert [bool(x.error) for x in results] == [False, True, False, False, False]
    written = sorted(x.relative_to(tmp_path / "clean").as_posix() for x in (tmp_path / "clean").rglob("*.*"))
    assert written == ["a.wav", "c.ogg", "deep/a.wav", "deep/b.flac"]
    for name in written:
        before, after = soundfile.info(noisy / name), soundfile.info(tmp_path / "clean" / name)
        for field in ("samplerate", "channels", "format", "subtype", "frames"):
            assert getattr(before, field) == getattr(after, field), (name, field)
    samples = soundfile.read(noisy / "deep/a.wav", dtype="float32")[0].T
    [alone] = enhancer.enhance(samples, sample_rate=16000, chunk_seconds=0.5)
    np.testing.assert_allclose(soundfile.read(tmp_path / "clean/deep/a.wav")[0].T, alone.samples, atol=1e-5)


def test_names_do_not_collide_and_nothing_replaces_a_recording(enhancer, tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        soundfile.write(tmp_path / folder / "a.wav", noise(0.2), RATE)
    files = [tmp_path / "x/a.wav", tmp_path / "y/a.wav"]
    found = enhancer.enhance(files, output=tmp_path / "out")
    assert [x.path.name for x in found] == ["a.wav", "a-2.wav"]
    [refused] = enhancer.enhance(files[0], output=tmp_path / "x", on_error="skip")
    assert "would replace the recording" in refused.error
    [one] = enhancer.enhance(files[0], output=tmp_path / "new" / "one.flac")
    assert soundfile.info(one.path).format == "FLAC"
    assert sorted(x.name for x in tmp_path.iterdir()) == ["new", "out", "x", "y"]


def test_a_recording_that_fails_late_leaves_nothing(enhancer, tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", noise(1.5), RATE, subtype="FLOAT")
    data = bytearray((tmp_path / "a.wav").read_bytes())
    data[-40:-36] = b"\xff\xff\xff\x7f"  # NaN
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/a.wav").write_bytes(data)
    soundfile.write(tmp_path / "bad/b.wav", noise(0.2), RATE)
    bad, good = enhancer.enhance(tmp_path / "bad", output=tmp_path / "out", on_error="skip", chunk_seconds=0.5)
    assert "NaN" in bad.error and good.error is None
    assert [x.name for x in (tmp_path / "out").iterdir()] == ["b.wav"]
    iterator = enhancer.enhance_iter([tmp_path / "a.wav", tmp_path / "a.wav"], output=tmp_path / "out2")
    next(iterator)
    iterator.close()
    assert [x.name for x in (tmp_path / "out2").iterdir()] == ["a.wav"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mix": 2.0}, "mix is 2.0"),
        ({"attenuation_limit_db": -1.0}, "must be 0 dB or more"),
        ({"chunk_seconds": 0.1}, "chunk_seconds is 0.1"),
        ({"chunk_seconds": 4.0, "overlap_seconds": 3.0}, "half of a chunk, 2"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"on_error": "stop"}, "on_error is 'stop'"),
        ({"channel": 3}, "no channel 3"),
    ],
)
def test_options_are_checked(enhancer, options, message):
    with pytest.raises(SpeechError, match=message):
        enhancer.enhance(noise(0.1), **options)


def test_other_classes_and_other_models_refuse(enhancer, path):
    with pytest.raises(TypeError, match='did you mean "mix"'):
        enhancer.enhance(noise(0.1), mixx=1)
    with pytest.raises(ConfigError, match="is an enhancement model: "):
        jaxspeech.load(path)


def test_an_archive_again_gives_the_same(enhancer, tmp_path):
    enhancer.save(tmp_path / "again.jaxspeech")
    again = jaxspeech.load(tmp_path / "again.jaxspeech", jaxspeech.Enhancer)
    samples = noise(0.4)
    np.testing.assert_array_equal(again.enhance(samples)[0].samples, enhancer.enhance(samples)[0].samples)
