"""What the report shows of synthesised speech: sound and symbols of a voice, frames alone of a text-to-mel model."""

import re
from types import SimpleNamespace

import numpy as np

from jaxspeech.evaluation.synthesis import SpokenScore
from jaxspeech.report.spoken_view import CELL, SpokenView, alignment_picture
from jaxspeech.text.choose_front_end import choose_front_end

RATE, HOP = 8000, 80
RNG = np.random.default_rng(0)
SPOKEN = SimpleNamespace(
    mel=RNG.normal(size=(2, 30, 8)).astype(np.float32),
    num_frames=np.array([30, 0]),
    durations=np.array([[10, 20], [0, 0]]),
    num_symbols=np.array([2, 2]),
    num_target=np.array([25, 20]),
    aligned=np.array([[5, 20], [10, 10]]),
    alignment=RNG.uniform(size=(2, 25, 2)),
)
BATCH = SimpleNamespace(
    index=np.array([0, 3]),
    text=np.array([[1, 2], [2, 3]]),
    samples=0.1 * RNG.standard_normal((2, 25 * HOP)).astype(np.float32),
    num_samples=np.array([25 * HOP, 20 * HOP]),
)
DATA = SimpleNamespace(batches_with=lambda wanted: [BATCH], fields=lambda index: {"text": f"<text {index}>"})
RESULTS = {0: SpokenScore({"mel_distance": 3.0}, 30, 25, "heard 0"), 3: SpokenScore({"mel_distance": None}, 0, 20)}


def view(prediction):
    front_end = choose_front_end({"type": "letters", "normalizer": "none"})
    return SpokenView(lambda variables, batch: prediction, front_end, sample_rate=RATE, hop=HOP, put=lambda x: x)


def test_a_voice_is_heard_and_seen():
    said = SimpleNamespace(spoken=SPOKEN, samples=RNG.standard_normal((2, 30 * HOP)).astype(np.float32))
    page = view(said).section({}, DATA, RESULTS)
    # Of the second text nothing was said: its recording alone can be heard.
    assert page.count("<audio") == 3 and page.count('alt="alignment"') == 2
    assert "&lt;text 0&gt;" in page and "<text 0>" not in page and "heard 0" in page
    assert "a 0.00 to 0.10 s" in page and "b 0.05 to 0.25 s" in page
    pictures = view(said).pictures({}, DATA, [0])
    assert [*pictures] == [0] and pictures[0].startswith(b"\x89PNG")


def test_a_text_to_mel_model_is_seen():
    page = view(SPOKEN).section({}, DATA, RESULTS)
    assert page.count("<audio") == 2 and len(re.findall("<svg", page)) == 4


def test_the_picture_of_an_alignment():
    image = alignment_picture(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    assert image.shape == (2 * CELL, 3 * CELL, 3)
    bright = image.sum(-1)[::CELL, ::CELL] > 300
    np.testing.assert_array_equal(bright, [[False, True, True], [True, False, False]])
