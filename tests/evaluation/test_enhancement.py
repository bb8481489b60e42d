"""Tests the scores of enhanced recordings against definitions in float64, and what cannot be scored."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.linalg import lstsq
from scipy.signal import lfilter

from jaxspeech.errors import ConfigError
from jaxspeech.evaluation import perceived
from jaxspeech.evaluation.enhancement import (
    available,
    check_measures,
    enhancement_scores,
    score_recording,
    show_scores,
    signal_scores,
    summarize,
)
from jaxspeech.evaluation.signal_ratios import MOST, best_pairing, sdr, si_sdr

RATE = 16000


def drawn(seed=0, size=2000):
    rng = np.random.default_rng(seed)
    target = np.asarray(lfilter([1], [1, -1.5, 0.8], rng.normal(size=size))) * 0.02
    estimate = np.asarray(lfilter([0.5, 0, 0.3], [1], target)) + 0.002 * rng.normal(size=size)
    return estimate.astype(np.float32), target.astype(np.float32)


def test_ratios_equal_least_squares():
    estimate, target = drawn()
    e, s = estimate.astype(np.float64), target.astype(np.float64)
    scaled = s * np.dot(e, s) / np.dot(s, s)
    np.testing.assert_allclose(si_sdr(estimate, target), 10 * np.log10(scaled @ scaled / np.sum((e - scaled) ** 2)))
    taps = 16
    shifted = np.stack([np.pad(s, (k, taps - 1 - k)) for k in range(taps)], axis=1)
    fitted = shifted @ lstsq(shifted, np.pad(e, (0, taps - 1)))[0]
    rest = np.pad(e, (0, taps - 1)) - fitted
    np.testing.assert_allclose(
        sdr(estimate, target, taps=taps), 10 * np.log10(fitted @ fitted / (rest @ rest)), rtol=1e-6
    )
    # Scales change neither of them.
    for ratio in (si_sdr, sdr):
        np.testing.assert_allclose(ratio(estimate * 1e-3, target * 1e3), ratio(estimate, target), rtol=1e-5)


def test_silence_has_no_ratio_and_a_copy_the_greatest_one():
    estimate, target = drawn()
    for ratio in (si_sdr, sdr):
        assert ratio(estimate * 0, target) is None and ratio(estimate, target * 0) is None
        assert ratio(estimate[:0], target[:0]) is None
        assert 80 < ratio(target, target) <= MOST
    tone = np.sin(np.arange(4000) * 0.3).astype(np.float32)
    assert sdr(tone + estimate[0], tone) is not None


def test_sources_may_come_out_in_any_order():
    sources = np.stack([drawn(seed)[1] for seed in range(3)])
    mixed = sources[[2, 0, 1]] + 0.1 * sources[[0, 1, 2]]
    assert best_pairing(mixed, sources) == [2, 0, 1]
    found = score_recording(mixed, sources, sources.sum(0, keepdims=True), RATE, any_order=True)
    fixed = score_recording(mixed, sources, sources.sum(0, keepdims=True), RATE)
    assert found.after["si_sdr"] > 15 > 0 > fixed.after["si_sdr"]
    # Somebody who is silent does not count, and does not disturb the others.
    sources[1] = 0
    values = signal_scores(sources + 0.1 * sources[::-1], sources, RATE)
    assert values["si_sdr"] is not None and values["si_sdr"] > 15


def batch_of(rows):
    """Rows of (enhanced, target, noisy), padded with NaN, and a filler row."""
    size = max(len(row[0]) for row in rows) + 7
    arrays = [np.full((len(rows) + 1, 1, size), np.nan, np.float32) for _ in range(3)]
    for i, row in enumerate(rows):
        for array, samples in zip(arrays, row, strict=True):
            array[i, 0, : len(samples)] = samples
    index = np.array([*range(5, 5 + len(rows)), -1])
    counts = np.array([len(row[0]) for row in rows] + [0])
    return arrays[0], SimpleNamespace(index=index, targets=arrays[1], samples=arrays[2], num_samples=counts)


def test_means_and_gains_of_a_set_count_what_has_no_score():
    rows = []
    for seed in range(3):
        estimate, target = drawn(seed, size=1500 + 100 * seed)
        rows.append((estimate, target, estimate + 0.01 * drawn(seed + 7, size=len(target))[1]))
    rows.append((rows[0][0], rows[0][1] * 0, rows[0][2]))
    evaluation = enhancement_scores(RATE)
    outputs, batch = batch_of(rows)
    found = dict(zip(batch.index.tolist(), evaluation.collect(outputs, batch), strict=True))
    found.pop(-1)
    scores = evaluation.score(found, {index: {} for index in found})
    after, before = ([si_sdr(row[i], row[1]) for row in rows[:3]] for i in (0, 2))
    np.testing.assert_allclose(scores["si_sdr"], np.mean(np.float64(after)), rtol=1e-9)
    np.testing.assert_allclose(scores["si_sdr_gain"], np.mean(np.float64(after) - np.float64(before)), rtol=1e-9)
    assert next(iter(scores)) == "si_sdr" and scores["si_sdr_unscored"] == scores["sdr_unscored"] == 1
    assert evaluation.comparable(scores) == -scores["si_sdr"]
    text = f"SI-SDR {scores['si_sdr']:.2f} dB ({scores['si_sdr_gain']:+.2f}, 1 not scored), SDR "
    assert evaluation.show(scores).startswith(text)
    assert evaluation.sample(found[5], {}).split("\n")[0] == f"  SI-SDR: {before[0]:.2f} dB -> {after[0]:.2f} dB"
    nothing = evaluation.score({8: found[8]}, {8: {}})
    assert "si_sdr" not in nothing and evaluation.show(nothing) == "SI-SDR – (1 not scored), SDR – (1 not scored)"
    assert show_scores(summarize([])) == "no score (no example has speech)"


def test_what_is_missing_or_unknown_is_named(monkeypatch):
    assert check_measures(["sdr", "si_sdr"]) == ("si_sdr", "sdr")
    monkeypatch.setattr(perceived.importlib.util, "find_spec", lambda name: None)
    assert available() == ("si_sdr", "sdr")
    for names, message in (
        (["pesq"], r'the score "pesq" needs the package pesq: pip install "jaxspeech\[enhance\]"'),
        (["dnsmos"], 'the score "dnsmos" needs the package speechmos: pip install speechmos'),
        (["si_sdri"], "'si_sdri' is not a score; did you mean \"si_sdr\""),
        ([], "there is no score"),
    ):
        with pytest.raises(ConfigError, match=message):
            check_measures(names)


def speech(seconds=1.0, seed=0):
    """Noise in syllables, which the measures take for speech."""
    rng, size = np.random.default_rng(seed), int(seconds * RATE)
    syllables = np.clip(np.sin(2 * np.pi * 3 * np.arange(size) / RATE), 0, 1)
    return np.asarray(lfilter([1], [1, -0.9], rng.normal(size=size)) * syllables * 0.05, np.float32)


@pytest.mark.parametrize("name", ["pesq", "stoi", "estoi"])
def test_perceptual_scores_where_their_packages_are_installed(name):
    pytest.importorskip(perceived.PACKAGES[name])
    clean = speech(1.6)
    noisy = clean + 0.05 * np.random.default_rng(1).normal(size=len(clean)).astype(np.float32)

    def score(estimate, target, rate=RATE):
        return signal_scores(estimate[None], target[None], rate, [name])[name]

    same, worse = score(clean, clean), score(noisy, clean)
    np.testing.assert_allclose(same, 4.6439 if name == "pesq" else 1, rtol=1e-4)
    assert worse < same - 0.05
    assert score(clean, clean * 0) is None and score(clean * 0, clean) is None
    assert score(clean[:2000], clean[:2000]) is None
    assert score(clean[::2], clean[::2], 8000) > 0.99


def test_long_recordings_have_the_mean_score_of_their_parts(monkeypatch):
    seen = []

    def of_part(rate, target, estimate, mode):
        seen.append((rate, len(target), len(estimate), mode))
        if len(target) < 4000:
            raise ValueError("too short")
        return float(target.mean())

    fake = SimpleNamespace(pesq=of_part, PesqError=RuntimeError)
    monkeypatch.setattr(perceived.importlib, "import_module", lambda name: fake)
    monkeypatch.setattr(perceived, "LONGEST", 0.5)
    target = np.concatenate([np.full(8000, 2), np.zeros(8000), np.full(8000, 4), np.full(100, 9)]).astype(np.float32)
    assert perceived.pesq(target, target, RATE) == 3
    assert seen == [(16000, 8000, 8000, "wb"), (16000, 8000, 8000, "wb"), (16000, 100, 100, "wb")]


def test_opinion_scores_are_of_the_whole_of_speech_and_of_background(monkeypatch):
    def run(samples, sr):
        assert sr == RATE and np.abs(samples).max() <= 1
        return {"ovrl_mos": 2.5, "sig_mos": 3.5, "bak_mos": 3.0, "p808_mos": 1.0}

    monkeypatch.setattr(perceived.importlib, "import_module", lambda name: SimpleNamespace(run=run))
    monkeypatch.setattr(perceived.importlib.util, "find_spec", lambda name: True)
    loud = speech() * 100
    rows = [score_recording(x[None], loud[None], x[None], RATE, measures=["dnsmos"]) for x in (loud, loud * 0)]
    scores = summarize(rows)
    assert scores["dnsmos"] == 2.5 and scores["dnsmos_gain"] == 0 and scores["dnsmos_bak_unscored"] == 1
    assert show_scores(scores).startswith("DNSMOS 2.50 (+0.00, 1 not scored), DNSMOS speech 3.50")
