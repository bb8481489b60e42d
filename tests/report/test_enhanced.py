"""The page about enhanced recordings: what is chosen, shown and escaped, also of a model in training."""

from typing import NamedTuple

import numpy as np
import pytest
import soundfile

from jaxspeech.evaluation.enhancement import Scored, enhancement_scores
from jaxspeech.report.enhanced import Example, Sound, chosen, enhanced_section, means
from jaxspeech.report.enhanced_view import EnhancedView
from jaxspeech.report.view import View
from tests.report.test_page import EVIL, Checker

RATE = 8000


def scored(after, before):
    return Scored({"si_sdr": after}, {"si_sdr": before})


def test_the_least_and_the_greatest_gains_are_shown():
    rows = [scored(float(i % 7), 2.0 * (i // 7)) for i in range(21)] + [scored(None, 1.0)]
    numbers = chosen(rows, 9)
    gains = [row.after["si_sdr"] - row.before["si_sdr"] for row in rows[:-1]]
    assert numbers[:6] == sorted(range(21), key=lambda i: gains[i])[:6] and numbers[-1] == 21
    assert chosen(rows[:3], 9) == [0, 1, 2] and chosen([], 9) == []


def test_page_has_means_levels_and_sounds_and_nothing_that_runs():
    rng = np.random.default_rng(0)
    signals = [rng.normal(size=3000).astype(np.float32) * scale for scale in (0.3, 0.1, 0.0)]
    sounds = [Sound(name, x, RATE) for name, x in zip(("before", EVIL, "clean"), signals, strict=True)]
    rows = [scored(10.0, 1.0), scored(4.0, -1.0), scored(20.0, 21.0), scored(None, None)]
    page = enhanced_section(means(rows), rows, [Example(EVIL, rows[0], sounds, {"text": EVIL, "pred_text": ""})])
    checker = Checker()
    checker.feed(page)
    assert not checker.open and {"script"}.isdisjoint(tag for tag, _ in checker.tags) and "onerror='" not in page
    kinds = [tag for tag, _ in checker.tags]
    assert kinds.count("audio") == kinds.count("img") == 3
    text = " ".join(checker.text)
    assert "SI-SDR (dB) 7.00 11.33 +4.33 1" in text and "-2.5 to 2.5 dB 2 7.00 dB +7.00 dB" in text
    assert "SI-SDR 1.00 dB → 10.00 dB" in text and "heard after nothing" in text


class Rows(NamedTuple):
    index: np.ndarray
    samples: np.ndarray
    num_samples: np.ndarray
    targets: np.ndarray


class Data:
    """Two batches of two rows; the last one is a filler."""

    def __init__(self):
        rng = np.random.default_rng(1)
        self.batches = []
        for index in ((0, 1), (2, -1)):
            targets = rng.normal(size=(2, 2, 900)).astype(np.float32) * 0.1
            samples = targets.sum(1, keepdims=True).repeat(3, axis=1)
            self.batches.append(Rows(np.array(index), samples, np.array([900, 700]), targets))

    def batches_with(self, indices):
        return (batch for batch in self.batches if np.isin(batch.index, list(indices)).any())

    def name(self, index):
        return f"{index}.wav"


def test_a_model_in_training_is_heard_before_and_after():
    data, evaluation, variables = Data(), enhancement_scores(RATE), {"scale": np.float32(0.5)}

    def predict(variables, batch):
        return batch.targets * variables["scale"] + 0.01 * batch.samples[:, :1]

    view = EnhancedView(predict, sample_rate=RATE, put=lambda batch: batch)
    assert isinstance(view, View)
    results = {
        index: found
        for batch in data.batches
        for index, found in zip(batch.index.tolist(), evaluation.collect(predict(variables, batch), batch), strict=True)
        if index >= 0
    }
    page = view.section(variables, data, results)
    # The mixture, two outputs and two targets of each of three recordings.
    assert page.count("<audio") == 15 and "after 2" in page and "clean 1" in page and "1.wav" in page
    pictures = view.pictures(variables, data, [1, 2])
    assert list(pictures) == [1, 2] and all(png.startswith(b"\x89PNG") for png in pictures.values())


def test_sounds_are_kept_to_a_length(monkeypatch):
    from jaxspeech.report import enhanced

    written = []
    monkeypatch.setattr(soundfile, "write", lambda file, samples, *rest, **options: written.append(len(samples)))
    monkeypatch.setattr(enhanced, "MOST_SECONDS", 0.1)
    enhanced.sounds_shown([Sound("before", np.zeros(3000, np.float32), RATE)])
    assert written == [pytest.approx(800)]
