"""The page: its content, that nothing in it can run, and that it is self-contained."""

import base64
import io
import re
import struct
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from jaxspeech.report.curves import curve
from jaxspeech.report.errors import errors_section
from jaxspeech.report.page import EvaluatedSet, write_report
from jaxspeech.report.picture import png, spectrogram, with_alignment
from jaxspeech.report.tables import by_length, by_speaker
from jaxspeech.report.utterance import Piece, ReplayedAudio, scored, worst
from jaxspeech.text.differences import differences

EVIL = "<script>alert(1)</script><img src=x onerror='alert(2)'> \" & </title>"
RNG = np.random.default_rng(0)
VOID = {"meta", "br", "link", "img", "input"}


class Checker(HTMLParser):
    """Collects tags and checks that they close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def recording(pieces=()):
    samples = (0.1 * RNG.standard_normal(8000)).astype(np.float32)
    return ReplayedAudio(samples, 8000, RNG.standard_normal((100, 20)).astype(np.float32), tuple(pieces))


def utterances():
    return [
        scored(name="a.wav", speaker="anna", seconds=1.0, said="one two three", heard="one two three"),
        scored(name=EVIL, speaker=EVIL, seconds=3.0, said=EVIL, heard="x " + EVIL),
        scored(name="c.wav", speaker="", seconds=25.0, said="five six", heard=""),
    ]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    history = [{"step": i, "train/loss": 10.0 / i, "train/grad_norm": 1.0} for i in range(1, 900)]
    history += [{"step": 100, "wer/" + EVIL: 0.5}, {"step": 200, "wer/" + EVIL: float("nan")}]
    section = errors_section(utterances(), {EVIL: recording([Piece(EVIL, 0.1, 0.3)])})
    sets = [EvaluatedSet("dev " + EVIL, "WER " + EVIL, section)]
    write_report(
        path, title=EVIL, facts={EVIL: EVIL}, history=history, sets=sets, settings={"key": EVIL}, shares=("wer",)
    )
    return path.read_text(encoding="utf-8")


def test_nothing_in_it_can_run_or_be_requested(page):
    checker = Checker()
    checker.feed(page)
    assert not checker.open and "script" not in {tag for tag, _ in checker.tags}
    for _, attributes in checker.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "data:").startswith("data:")
    assert "".join(checker.text).count(EVIL) >= 8  # it is there, as text
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", page).replace("http-equiv", "")


def test_audio_and_picture_are_inside(page):
    (audio,) = re.findall(r"data:audio/flac;base64,([A-Za-z0-9+/=]+)", page)
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(audio)))
    assert rate == 8000 and len(samples) == 8000
    (picture,) = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", page)
    assert base64.b64decode(picture).startswith(b"\x89PNG")


def test_png_files_follow_the_standard():
    image = RNG.integers(0, 256, (7, 5, 3), np.uint8)
    data, chunks = png(image)[8:], {}
    while data:
        (length,) = struct.unpack(">I", data[:4])
        kind, content = data[4:8], data[8 : 8 + length]
        assert struct.unpack(">I", data[8 + length : 12 + length])[0] == zlib.crc32(kind + content)
        chunks[kind], data = content, data[12 + length :]
    assert struct.unpack(">II5B", chunks[b"IHDR"]) == (5, 7, 8, 2, 0, 0, 0)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(7, 16)
    np.testing.assert_array_equal(rows[:, 1:].reshape(7, 5, 3), image)


def test_loud_and_high_is_bright_and_at_the_top():
    features = np.zeros((50, 20), np.float32)
    features[10:20, 15:] = 5.0
    image = spectrogram(features, height=40).astype(int).sum(-1)
    assert image.shape == (40, 50)
    assert image[:10, 10:20].min() > 600 and image[10:].max() < 50 and image[:10, 20:].max() < 50
    band = with_alignment(spectrogram(features), [(0.0, 0.25), (0.25, 0.5)], seconds=0.5)[-1]
    assert (band[0] == band[24]).all() and (band[0] != band[25]).any()


def test_tables_add_up():
    length, speaker = by_length(utterances()), by_speaker(utterances())
    assert length.count("<tr>") == speaker.count("<tr>") == 4
    assert "20 to 30 s" in length and "100.0%" in length and "(not named)" in speaker
    assert by_speaker([u._replace(speaker="") for u in utterances()]) == ""
    assert [u.errors.errors for u in worst(utterances(), 5)] == [2, 1]


def test_differences_are_those_that_are_counted():
    said, heard = "the cat sat on the mat", "a cat sat the mat now"
    parts = differences(said, heard)
    assert [p.kind for p in parts] == ["substitute", "equal", "delete", "equal", "insert"]
    assert " ".join(p.said for p in parts if p.said) == said
    assert " ".join(p.heard for p in parts if p.heard) == heard
    assert differences("", "a b")[0].heard == "a b" and differences("", "") == []


def test_curves_keep_their_ends_and_leave_out_values_that_are_not_finite():
    points = [(float(i), float(i % 7)) for i in range(5000)]
    drawing = curve("x", {"a": points})
    pairs = re.search(r'points="([^"]+)"', drawing)[1].split()
    assert len(pairs) <= 501 and pairs[-1].startswith("406.0,")
    assert curve("x", {"a": [(1.0, float("inf"))], "b": []}) == ""
    for log in (True, False):
        assert "nan" not in curve("x", {"a": [(5.0, 2.0)]}, log=log)
        assert "inf" not in curve("x", {"a": [(0.0, 0.0), (1.0, 0.0)]}, log=log)
