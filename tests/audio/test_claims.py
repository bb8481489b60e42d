"""All of a recording is read, whatever its header claims: lengths unknown, unwritten or wrong, files joined or cut."""

import io
import os
import struct
import threading

import numpy as np
import pytest
import soundfile

from jaxspeech.audio import decoder
from jaxspeech.audio.read import count_channels, read, read_seconds
from jaxspeech.errors import AudioError
from tests.audio.damaged import JOINABLE, KINDS, RATE, encode, tone, without_first_frame

SECONDS = 2.0


def assert_same(data: bytes, expected: np.ndarray) -> None:
    """The whole file is `expected`, its length is known, and a part is the slice."""
    samples, rate = read(io.BytesIO(data), name="a")
    assert len(samples) == len(expected)
    np.testing.assert_allclose(samples, expected, atol=1e-4)
    assert read_seconds(io.BytesIO(data), name="a") == len(samples) / rate
    for offset in (0.25, 1.25):
        part, _ = read(io.BytesIO(data), name="a", offset=offset, duration=0.5)
        start = round(offset * rate)
        np.testing.assert_allclose(part, samples[start : start + round(0.5 * rate)], atol=1e-6)


def with_total(flac: bytes, total: int) -> bytes:
    numbers = int.from_bytes(flac[18:26], "big") >> 36 << 36 | total
    return flac[:18] + numbers.to_bytes(8, "big") + flac[26:]


@pytest.mark.parametrize("total", [0, 1, 9000, 2**36 - 1])
def test_flac_of_unknown_or_wrong_length(total):
    assert_same(with_total(encode("flac", tone(SECONDS)), total), tone(SECONDS))


def test_a_flac_recorder_that_was_killed():
    data = with_total(encode("flac", tone(SECONDS)), 0)
    samples, _ = read(io.BytesIO(data[: len(data) * 2 // 3]), name="a")
    assert RATE < len(samples) < SECONDS * RATE
    np.testing.assert_allclose(samples, tone(SECONDS)[: len(samples)], atol=1e-4)


def test_what_follows_a_flac_is_no_damaged_frame():
    data = encode("flac", tone(SECONDS))
    for seed in range(20):
        junk = b"\xff\xf8" + np.random.default_rng(seed).bytes(300)
        assert_same(data + junk, tone(SECONDS))


def size_field(data: bytes, name: bytes) -> int:
    return data.index(name) + 4


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 100, 10**9])
@pytest.mark.parametrize("both", [False, True])
def test_wav_sizes_that_were_never_written(size, both):
    data = bytearray(encode("wav", tone(SECONDS)))
    for place in (4, size_field(data, b"data")) if both else (size_field(data, b"data"),):
        data[place : place + 4] = struct.pack("<I", size)
    assert_same(bytes(data), tone(SECONDS))


def test_other_sizes_that_were_never_written():
    for kind, name, form in (("rf64", b"ds64", "<QQQ"), ("au", b".snd\0\0\0\x18", ">I"), ("aiff", b"SSND", ">I")):
        for size in (0, 2**32 - 1 if form == ">I" else 2**64 - 1):
            data = bytearray(encode(kind, tone(SECONDS)))
            place = data.index(name) + (8 if kind != "aiff" else 4)
            data[place : place + struct.calcsize(form)] = struct.pack(form, *[size] * form.count("Q") or [size])
            assert_same(bytes(data), tone(SECONDS))


def test_chunks_after_the_samples_are_no_samples():
    chunk = b"LIST" + struct.pack("<I", 20000) + bytes(20000)
    assert_same(encode("wav", tone(SECONDS)) + chunk + b"\x13\x07junk", tone(SECONDS))
    empty = bytearray(encode("wav", tone(0.0)) + chunk)
    with pytest.raises(AudioError, match="a: holds no samples"):
        read(io.BytesIO(empty), name="a")


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_mp3_without_a_first_frame(rate, mode):
    """As LAME and ffmpeg write it to a pipe: loud, silent, loud, so that the first frames' bit rate misleads."""
    samples = np.concatenate([tone(0.5), np.zeros(6 * RATE, np.float32), tone(0.5, seed=1)])
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="MP3", bitrate_mode=mode)
    data = without_first_frame(file.getvalue())
    found, _ = read(io.BytesIO(data), name="a")
    assert abs(len(found) - len(samples)) <= 2 * 1152 + 529
    assert np.abs(found[-6000:]).max() > 0.2  # what is said at the end
    assert read_seconds(io.BytesIO(data), name="a") == len(found) / rate
    part, _ = read(io.BytesIO(data), name="a", offset=6 * RATE / rate)
    np.testing.assert_allclose(part, found[6 * RATE :], atol=1e-6)
    picture = b"\xff\xfb\x90\x00" * 3000  # in a tag; looks like frames
    tag = b"ID3\x03\0\0" + bytes([0, 0, len(picture) >> 7, len(picture) & 0x7F]) + picture
    np.testing.assert_allclose(read(io.BytesIO(tag + data), name="a")[0], found, atol=1e-6)
    fmt = struct.pack("<HHIIHHH", 0x55, 1, rate, 4000, 1, 0, 0)
    wav = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(data)) + data
    wav = b"RIFF" + struct.pack("<I", len(wav)) + wav
    np.testing.assert_allclose(read(io.BytesIO(wav), name="a")[0], found, atol=1e-6)


@pytest.mark.parametrize("kind", JOINABLE)
def test_joined_files_are_read_to_the_end(kind):
    first, second = tone(SECONDS), 0.5 * tone(1.0, seed=1)
    alone = [read(io.BytesIO(encode(kind, part)), name="a")[0] for part in (first, second)]
    joined = encode(kind, first) + encode(kind, second)
    slack = 3 * 576 if kind == "mp3 without header" else 0
    samples, _ = read(io.BytesIO(joined), name="a")
    assert abs(len(samples) - len(alone[0]) - len(alone[1])) <= slack
    np.testing.assert_allclose(samples[:RATE], alone[0][:RATE], atol=1e-6)
    np.testing.assert_allclose(samples[-RATE // 2 :], alone[1][-RATE // 2 :], atol=1e-6)
    assert read_seconds(io.BytesIO(joined), name="a") == len(samples) / RATE
    part, _ = read(io.BytesIO(joined), name="a", offset=1.5, duration=1.0)
    np.testing.assert_allclose(part, samples[12000:20000], atol=1e-6)


def test_joined_files_of_other_rates_and_channels():
    loud = tone(1.0)
    file = io.BytesIO()
    soundfile.write(file, np.stack([loud, loud], 1).repeat(2, 0), 2 * RATE, format="FLAC")
    samples, rate = read(io.BytesIO(encode("flac", tone(SECONDS)) + file.getvalue()), name="a")
    assert rate == RATE and len(samples) == round(3.0 * RATE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_is_the_slice(kind):
    """Also where libsndfile cannot seek (GSM), and over the borders of the blocks that are decoded at a time."""
    data = encode(kind, tone(SECONDS))
    samples, _ = read(io.BytesIO(data), name="a")
    for offset, duration in ((0.0, 0.3), (0.7, 0.6), (1.35, None), (1.2, 60.0)):
        part, _ = read(io.BytesIO(data), name="a", offset=offset, duration=duration)
        start = round(offset * RATE)
        stop = None if duration is None else start + round(duration * RATE)
        np.testing.assert_allclose(part, samples[start:stop], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_join_without_a_click(kind, monkeypatch):
    data = encode(kind, tone(SECONDS))
    whole, _ = read(io.BytesIO(data), name="a")
    monkeypatch.setattr("jaxspeech.audio.sndfile.BLOCK_VALUES", 1234)
    np.testing.assert_array_equal(read(io.BytesIO(data), name="a")[0], whole)


@pytest.mark.parametrize("total", [2**36 - 2, 2**33])
def test_memory_is_for_what_is_there_and_not_for_what_is_claimed(total):
    with pytest.raises(AudioError, match="a: damaged or truncated"):
        read(io.BytesIO(with_total(encode("flac", tone(SECONDS))[:-100], total)), name="a")
    rates = bytearray(encode("wav", tone(0.1)))
    rates[24:28] = struct.pack("<I", 1)
    with pytest.raises(AudioError, match="claims a sample rate of 1 Hz"):
        read(io.BytesIO(rates), name="a", sample_rate=RATE)


def test_samples_without_a_header_get_advice(tmp_path):
    path = tmp_path / "talk.raw"
    path.write_bytes((tone(1.0) * 32767).astype("<i2").tobytes())
    with pytest.raises(AudioError, match=r"talk\.raw: samples without a header; add one: sox"):
        read(path)


@pytest.mark.parametrize("raised", [TypeError("no"), ValueError("array is too big"), OverflowError(), EOFError(),
                                    MemoryError(), RuntimeError("a\nb"), OSError(5, "Input/output error")])  # fmt: skip
def test_whatever_a_decoder_raises_is_one_line(tmp_path, monkeypatch, raised):
    path = tmp_path / "a.wav"
    path.write_bytes(encode("wav", tone(0.1)))

    def fail(*args, **options):
        raise raised

    monkeypatch.setattr(soundfile.SoundFile, "read", fail)
    with pytest.raises(AudioError, match=r"a\.wav: ") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_pipe_is_read_as_a_whole(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(encode("flac", tone(SECONDS))))
    writer.start()
    samples, _ = read(path, offset=0.5)
    writer.join()
    np.testing.assert_allclose(samples, tone(SECONDS)[RATE // 2 :], atol=1e-4)


class Once(io.RawIOBase):
    """A stream that cannot seek."""

    def __init__(self, data: bytes):
        self._left = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._left.readinto(buffer)


def test_a_stream_that_cannot_seek():
    samples, _ = read(Once(encode("wav", tone(SECONDS))), name="stdin")
    np.testing.assert_allclose(samples, tone(SECONDS), atol=1e-4)


def test_channels_of_opposite_phase_do_not_cancel():
    speech, other = tone(SECONDS), tone(SECONDS, seed=1)[::-1]

    def mixed(*channels):
        file = io.BytesIO()
        soundfile.write(file, np.stack(channels, 1), RATE, format="WAV", subtype="FLOAT")
        assert count_channels(io.BytesIO(file.getvalue()), name="a") == len(channels)
        return read(io.BytesIO(file.getvalue()), name="a")[0]

    np.testing.assert_allclose(mixed(speech, -speech), speech, atol=1e-6)
    np.testing.assert_allclose(mixed(0.9 * speech, -speech), -0.95 * speech, atol=1e-6)
    np.testing.assert_allclose(mixed(speech, 0 * speech), speech / 2, atol=1e-6)  # a dead channel
    np.testing.assert_allclose(mixed(speech, other), (speech + other) / 2, atol=1e-6)
    np.testing.assert_allclose(mixed(speech, speech), speech, atol=1e-6)


def test_ffmpeg_is_asked_for_what_libsndfile_cannot_read(tmp_path, monkeypatch):
    """A stand-in for the command writes a WAV stream, whose sizes are unknown."""
    path = tmp_path / "a.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    monkeypatch.setattr(decoder.ffmpeg, "find_ffmpeg", lambda: None)
    with pytest.raises(AudioError, match=r"a\.m4a: MPEG-4 .* needs ffmpeg: .*ffmpeg -i"):
        read(path)
    file = io.BytesIO()
    soundfile.write(file, np.stack([tone(SECONDS), 0 * tone(SECONDS)], 1), RATE, format="WAV", subtype="FLOAT")
    (tmp_path / "decoded.wav").write_bytes(file.getvalue())
    command = tmp_path / "ffmpeg"

    def behave(script: str) -> None:
        command.write_text(f"#!/bin/sh\n{script}\n")
        command.chmod(0o755)

    monkeypatch.setattr(decoder.ffmpeg, "find_ffmpeg", lambda: str(command))
    behave(f'echo "  Duration: 00:00:02.00, start" >&2; cat "{tmp_path}/decoded.wav"')
    np.testing.assert_allclose(read(path, channel=0)[0], tone(SECONDS), atol=1e-6)
    np.testing.assert_allclose(read(path, channel=0, offset=1.0)[0], tone(SECONDS)[RATE:], atol=1e-6)
    assert read_seconds(path) == SECONDS
    behave(f'echo "  Duration: 00:00:09.00, start" >&2; cat "{tmp_path}/decoded.wav"')
    with pytest.raises(AudioError, match=r"a\.m4a: damaged or truncated: 2.00 s of its 9.00 s"):
        read(path)
    behave('echo "[mov] moov atom not found\n a.m4a: Invalid data found" >&2; exit 1')
    with pytest.raises(AudioError, match=r"a\.m4a: ffmpeg cannot read it \(a\.m4a: Invalid data found\)"):
        read(path)
