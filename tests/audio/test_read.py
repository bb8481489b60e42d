"""Reading audio files: formats, parts, channels, and errors of one line that name the file."""

import numpy as np
import pytest
import soundfile

from jaxspeech.audio.read import read, read_channels, read_seconds
from jaxspeech.errors import AudioError

RATE = 16000


@pytest.fixture
def tone():
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "subtype", "error"),
    [
        ("a.wav", "PCM_16", 1e-4),
        ("a.wav", "FLOAT", 0),
        ("a.flac", "PCM_24", 1e-6),
        ("a.ogg", "VORBIS", 0.02),
        ("a.ogg", "OPUS", 0.05),
        ("a.mp3", "MPEG_LAYER_III", 0.02),
    ],
)
def test_formats(tmp_path, tone, name, subtype, error):
    soundfile.write(tmp_path / name, tone, RATE, subtype=subtype)
    samples, rate = read(tmp_path / name)
    assert rate == RATE and samples.dtype == np.float32
    middle = slice(RATE // 2, RATE)  # lossy formats fade at the ends
    np.testing.assert_allclose(samples[middle], tone[middle], atol=error)


def test_16_bit_values_survive_exactly(tmp_path):
    values = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
    soundfile.write(tmp_path / "a.flac", values, RATE)
    samples, _ = read(tmp_path / "a.flac")
    np.testing.assert_array_equal(samples * 32768, values)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_a_part_equals_the_slice(tmp_path, tone, name):
    soundfile.write(tmp_path / name, tone, RATE)
    whole, _ = read(tmp_path / name)
    part, _ = read(tmp_path / name, offset=0.75, duration=0.5)
    np.testing.assert_array_equal(part, whole[12000:20000])
    tail, _ = read(tmp_path / name, offset=1.5, duration=60.0)
    np.testing.assert_array_equal(tail, whole[24000:])


def test_channels(tmp_path, tone):
    soundfile.write(tmp_path / "a.wav", np.stack([tone, -0.5 * tone], 1), RATE, subtype="FLOAT")
    np.testing.assert_allclose(read(tmp_path / "a.wav")[0], 0.25 * tone, atol=1e-7)
    np.testing.assert_array_equal(read(tmp_path / "a.wav", channel=1)[0], -0.5 * tone)
    with pytest.raises(AudioError, match=r"a\.wav: no channel 2, the recording has 2"):
        read(tmp_path / "a.wav", channel=2)


def test_all_channels(tmp_path, tone):
    both = np.stack([tone, -0.5 * tone])
    soundfile.write(tmp_path / "a.wav", both.T, RATE, subtype="FLOAT")
    samples, rate = read_channels(tmp_path / "a.wav", offset=0.25, duration=0.5)
    assert rate == RATE
    np.testing.assert_array_equal(samples, both[:, 4000:12000])
    slower, rate = read_channels(tmp_path / "a.wav", sample_rate=RATE // 2)
    assert rate == RATE // 2 and slower.shape == (2, RATE)
    np.testing.assert_allclose(slower[0], read(tmp_path / "a.wav", channel=0, sample_rate=RATE // 2)[0], atol=1e-6)
    soundfile.write(tmp_path / "nan.wav", np.full((9, 2), np.nan), RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"nan.wav: holds NaN"):
        read_channels(tmp_path / "nan.wav")


def test_resampled_on_request(tmp_path, tone):
    soundfile.write(tmp_path / "a.wav", tone[::2], RATE // 2, subtype="FLOAT")
    samples, rate = read(tmp_path / "a.wav", sample_rate=RATE)
    assert rate == RATE and len(samples) == len(tone)
    np.testing.assert_allclose(samples[1000:-1000], tone[1000:-1000], atol=2e-3)


def test_seconds_come_from_the_header(tmp_path, tone):
    soundfile.write(tmp_path / "a.flac", tone, RATE)
    assert read_seconds(tmp_path / "a.flac") == 2.0


def text(path):
    path.write_text("it was a dark and stormy night\n" * 40)


def no_samples(path):
    soundfile.write(path, np.zeros(0, np.float32), RATE)


def nan(path):
    soundfile.write(path, np.full(100, np.nan, np.float32), RATE, subtype="FLOAT")


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda path: None, {}, "no such file"),
        (lambda path: path.mkdir(), {}, "is a folder"),
        (lambda path: path.touch(), {}, "is an empty file"),
        (text, {}, "not audio in a known format"),
        (no_samples, {}, "holds no samples"),
        (nan, {}, "NaN or infinite"),
    ],
)
def test_errors_are_one_line_with_the_path(tmp_path, make, options, message):
    path = tmp_path / "broken.wav"
    make(path)
    with pytest.raises(AudioError, match=message) as caught:
        read(path, **options)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"offset": 2.0}, r"offset of 2 s lies past the end \(2 s\)"),
        ({"offset": -1.0}, "must not be negative"),
        ({"offset": float("nan")}, "must not be negative"),
        ({"duration": 0.0}, "must be positive"),
    ],
)
def test_impossible_parts(tmp_path, tone, options, message):
    soundfile.write(tmp_path / "a.wav", tone, RATE)
    with pytest.raises(AudioError, match=message):
        read(tmp_path / "a.wav", **options)


def test_a_truncated_file_is_not_read_as_a_shorter_one(tmp_path, tone):
    path = tmp_path / "a.flac"
    soundfile.write(path, tone, RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match=r"a\.flac: damaged"):
        read(path)
