"""What a microphone, a line and a codec do: no delay, the same length, and the arithmetic of G.711."""

import numpy as np
import pytest

from jaxspeech.audio.resample import resample
from jaxspeech.data.augment import Augment, parse_augment
from jaxspeech.data.band_limit import band_limit
from jaxspeech.data.clipping import clip
from jaxspeech.data.codecs import FORMATS, through_codec
from jaxspeech.data.noise import rms
from jaxspeech.data.rng import generator
from jaxspeech.errors import ConfigError

RATE = 16000


def voice(rate=RATE, seconds=1.0):
    """Pulses through resonances, quieter and louder: enough like speech for a codec of speech."""
    rng, count = np.random.default_rng(0), round(seconds * rate)
    time = np.arange(count) / rate
    tones = sum(np.sin(2 * np.pi * hz * time + hz * np.sin(3 * time)) / hz for hz in (180, 360, 540, 1260, 2300))
    sound = tones * (0.2 + np.sin(9 * time) ** 2) + 1e-5 * rng.standard_normal(count)
    return (0.4 * sound / np.abs(sound).max()).astype(np.float32)


@pytest.mark.parametrize("name", FORMATS)
def test_a_codec_keeps_the_place_and_the_length_and_is_the_same_each_time(name):
    samples = voice()
    coded = through_codec(samples, name, sample_rate=RATE)
    np.testing.assert_array_equal(coded, through_codec(samples, name, sample_rate=RATE))
    assert coded.shape == samples.shape and coded.dtype == np.float32 and not np.array_equal(coded, samples)
    lags = range(-160, 161)
    inner = samples[1000:-1000]
    fits = [np.dot(coded[1000 + lag : len(coded) - 1000 + lag], inner) for lag in lags]
    assert abs(lags[int(np.argmax(fits))]) <= 1
    assert max(fits) / np.linalg.norm(inner) / np.linalg.norm(coded[1000:-1000]) > (0.8 if name == "gsm" else 0.97)


@pytest.mark.parametrize("name, rate", [*((name, 22050) for name in FORMATS), ("opus", 96000), ("mp3", 96000)])
def test_any_rate_and_any_length(name, rate):
    for count in (0, 1, 2001):
        samples = voice(rate)[:count]
        assert through_codec(samples, name, sample_rate=rate).shape == (count,)


def test_more_compression_is_worse():
    samples = voice()
    for name in ("opus", "mp3", "vorbis"):
        errors = [rms(through_codec(samples, name, sample_rate=RATE, compression=c) - samples) for c in (0.1, 0.99)]
        assert errors[0] < 0.8 * errors[1], name


def test_mu_law_is_that_of_the_standard():
    """ITU-T G.711: the place of the highest bit, and the four bits below it, of |x| + 132 of 32768."""
    byte = np.arange(128)
    levels = (((((byte & 15) << 3) + 132) << (byte >> 4)) - 132) / 32768
    samples = np.linspace(-0.97, 0.97, 4001).astype(np.float32)
    coded = through_codec(samples, "mulaw", sample_rate=8000)
    biased = np.round(np.abs(samples) * 32768).astype(int) + 132
    exponent = np.floor(np.log2(biased)).astype(int) - 7
    place = exponent * 16 + ((biased >> (exponent + 3)) & 15)
    assert np.isin(np.abs(coded), levels.astype(np.float32)).all()
    found = np.searchsorted(levels.astype(np.float32), np.abs(coded))
    # Rounding to 14 bits first may choose the neighbour of a value that lies between two.
    assert np.mean(found == place) > 0.95 and np.abs(found - place).max() <= 1
    assert (np.sign(coded) == np.sign(samples))[np.abs(samples) > 1e-3].all()


def test_clipping():
    samples = voice()
    hard, soft = (clip(samples, gain_db=12.0, soft=soft) for soft in (False, True))
    most = np.abs(samples).max() * 10 ** (-12 / 20)
    np.testing.assert_allclose(np.abs(hard).max(), most, rtol=1e-6)
    below = np.abs(samples) < most
    np.testing.assert_array_equal(hard[below], samples[below])
    assert 0.05 < 1 - below.mean() < 0.9
    np.testing.assert_allclose(soft, most * np.tanh(samples / most), rtol=1e-4, atol=1e-6)
    assert not clip(np.zeros(5, np.float32), gain_db=12.0, soft=False).any()
    np.testing.assert_allclose(clip(samples, gain_db=0.0, soft=False), samples, rtol=1e-6)


@pytest.mark.parametrize("hz, decibels", [(1000, 0.0), (300, -3.0), (150, -48.0), (3400, -3.0), (6800, -48.0)])
def test_a_band_falls_by_48_decibels_an_octave(hz, decibels):
    tone = np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32)
    passed = band_limit(tone, low_hz=300.0, high_hz=3400.0, sample_rate=RATE)
    middle = slice(4000, 12000)
    assert passed.shape == tone.shape
    np.testing.assert_allclose(20 * np.log10(rms(passed[middle]) / rms(tone[middle])), decibels, atol=0.3)
    if not decibels:
        np.testing.assert_allclose(passed[middle], tone[middle], atol=2e-3)  # zero phase


def test_in_the_chain_they_follow_the_noise_and_depend_on_the_key_alone():
    samples = voice()
    config = {
        "white_noise": {"level_db": (-30, -30)},
        "clip": {"gain_db": (6, 6), "soft": 0.0, "probability": 1},
        "band": {"low_hz": (300, 300), "high_hz": (3400, 3400), "probability": 1},
        "codec": {"names": ["alaw"], "probability": 1},
    }
    augment = Augment(parse_augment(config), sample_rate=RATE)
    plan = {"speed": 1.0, "before": 0.0, "after": 0.0}
    found = augment(samples, **plan, rng=generator(0, 1, 2))
    noisy = Augment(parse_augment({"white_noise": config["white_noise"]}), sample_rate=RATE)
    expected = clip(noisy(samples, **plan, rng=generator(0, 1, 2)), gain_db=6.0, soft=False)
    expected = band_limit(expected, low_hz=300.0, high_hz=3400.0, sample_rate=RATE)
    np.testing.assert_array_equal(found, through_codec(expected, "alaw", sample_rate=RATE))
    np.testing.assert_array_equal(found, augment(samples, **plan, rng=generator(0, 1, 2)))
    assert rms(found - resample(samples, RATE, RATE)) > 0.01


@pytest.mark.parametrize(
    "config, why",
    [
        ({"codec": {"names": ["opsu"]}}, r'^augment\.codec\.names: there is no codec \'opsu\'; did you mean "opus"'),
        ({"codec": {"compression": (0.9, 0.1)}}, r"^augment\.codec\.compression"),
        ({"clip": {"gain": (0, 3)}}, r"^augment\.clip\.gain: no such field"),
        ({"crop_from": "middle"}, r"^augment\.crop_from is 'middle'"),
    ],
)
def test_wrong_settings_are_named(config, why):
    with pytest.raises(ConfigError, match=why):
        parse_augment(config)
