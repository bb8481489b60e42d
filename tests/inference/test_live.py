"""Files and pipes as live audio, and the growing text on the screen."""

import io
import os
import signal
import sys
import time

import numpy as np
import pytest
import soundfile

from jaxspeech.errors import AudioError
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.live import GrowingText, StepTimes, paced_blocks, transcribe_live
from jaxspeech.inference.pipe import open_live, pcm_blocks
from tests.inference.test_streaming import recognizer, speech


def said(text: str, source: str = "a.wav") -> Hypothesis:
    return Hypothesis(text, 0.0, (), 0.0, 0.0, source)


def test_files_and_a_pipe_one_after_the_other(monkeypatch):
    audio = speech(0, 2.0)
    as_int16 = (audio * 32767).astype("<i2")
    pipe = io.BytesIO(as_int16.tobytes() + b"x")  # half a sample at the end is dropped
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(pipe))
    files = {"whole": audio, "missing": AudioError("missing: no such file"), "quantised": as_int16 / np.float32(32768)}
    recordings = [Recording(name) for name in ("whole", "missing", "quantised", "-")]
    shown, times = [], StepTimes()
    streams = recognizer("ctc").streams(1, look_ahead=2)
    found = list(
        transcribe_live(streams, recordings, lambda r: files[r.source], show=shown.append, times=times, pipe_rate=None)
    )
    whole, missing, quantised, piped = found
    assert whole.text == recognizer("ctc").transcribe(audio)[0].text != ""
    assert missing.error == "missing: no such file"
    assert piped == quantised._replace(source="-")
    texts = [hypothesis.text for hypothesis in shown if hypothesis.source == "whole"]
    assert texts[0] != texts[-1] == whole.text
    assert len(times.seconds) == 3 * -(-(len(audio) + streams.form.lead_in) // streams.form.step_samples)
    assert "a step takes" in str(times)


def test_blocks_hold_all_samples_at_their_pace():
    samples = speech(1, 0.3)
    begin = time.monotonic()
    np.testing.assert_array_equal(np.concatenate(list(paced_blocks(samples, 16000, wait=True))), samples)
    assert time.monotonic() - begin >= 0.3
    assert [len(block) for block in pcm_blocks(io.BytesIO(bytes(3000)), 16000)] == [640, 640, 220]


class Microphone:
    """Gives three blocks, then Ctrl-C while the reader waits for the fourth."""

    number = 0

    def read(self, size: int) -> bytes:
        self.number += 1
        if self.number == 4:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)  # until it is interrupted
            raise AssertionError("not interrupted")
        return bytes([self.number, 0]) * (size // 2)


@pytest.mark.parametrize("while_reading", [True, False])
def test_ctrl_c_is_the_end_of_a_pipe_and_its_last_words_stay(while_reading):
    heard = []
    before = signal.getsignal(signal.SIGINT)
    for block in pcm_blocks(Microphone(), 16000):
        heard.append(int(block[0]))
        if len(heard) == 3 and not while_reading:
            os.kill(os.getpid(), signal.SIGINT)
    assert heard == [1, 2, 3] and signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_interrupts():
    with pytest.raises(KeyboardInterrupt):
        for _ in pcm_blocks(io.BytesIO(bytes(9000)), 16000):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)


def test_an_ignored_ctrl_c_does_not_end_a_pipe():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        blocks = pcm_blocks(io.BytesIO(bytes(9000)), 16000)
        next(blocks)
        os.kill(os.getpid(), signal.SIGINT)
        assert sum(map(len, blocks)) == 4500 - 640
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("named", [True, False])
def test_only_what_is_new_is_printed(named):
    out = io.StringIO()
    growing = GrowingText(out, named=named)
    for text in ("the", "the cat", "the cat", "the bat"):
        growing.show(said(text))
    growing.show(said("next", source="b.wav"))
    growing.end_line()
    growing.end_line()
    a, b = ("a.wav\t", "b.wav\t") if named else ("", "")
    assert out.getvalue() == f"{a}the cat\nthe bat\n{b}next\n"


def stereo(left: np.ndarray, right: np.ndarray, rate: int, form: str, subtype: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.stack([left, right], 1), rate, format=form, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize(
    ("form", "subtype"), [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("AU", "PCM_16")]
)
def test_a_header_on_the_pipe_says_how_it_is_read(form, subtype):
    """Not as 16-bit samples at the model's rate, which would be noise."""
    samples = speech(2, 1.0)[:16001]
    data = stereo(samples, 0 * samples, 44100, form, subtype)
    if form == "WAV":  # as ffmpeg writes it to a pipe
        data = data[:4] + b"\xff" * 4 + data[8:]
        place = data.index(b"data") + 4
        data = data[:place] + b"\xff" * 4 + data[place + 4 :]
    rate, blocks, _ = open_live(io.BytesIO(data), rate=16000)
    assert rate == 44100
    np.testing.assert_allclose(np.concatenate(list(blocks)), samples / 2, atol=1e-4)
    _, left, _ = open_live(io.BytesIO(data), rate=16000, channel=0)
    np.testing.assert_allclose(np.concatenate(list(left)), samples, atol=1e-4)


def test_channels_of_opposite_phase_do_not_cancel_live():
    samples = speech(2, 1.0)
    _, blocks, _ = open_live(io.BytesIO(stereo(samples, -samples, 16000, "WAV", "FLOAT")), rate=16000)
    np.testing.assert_allclose(np.concatenate(list(blocks)), samples, atol=1e-6)


def test_samples_without_a_header_are_what_they_were():
    pcm = (speech(2, 0.3) * 32767).astype("<i2")
    rate, blocks, _ = open_live(io.BytesIO(pcm.tobytes()), rate=16000)
    assert rate == 16000
    np.testing.assert_array_equal(np.concatenate(list(blocks)), pcm)
    assert list(open_live(io.BytesIO(b""), rate=16000).blocks) == []


def test_a_header_that_cannot_be_read_is_one_line(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"RIFF\0\0\0\0WAVEfmt ")))
    streams = recognizer("ctc").streams(1, look_ahead=2)
    [found] = transcribe_live(streams, [Recording("-")], lambda r: r.audio, show=print, times=StepTimes())
    assert found.error == "-: a WAV header without samples, or damaged"
