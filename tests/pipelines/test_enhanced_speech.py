"""What enhancers hear for other models, and models that scale, draw noise, or take several channels."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxspeech
from jaxspeech.archive import Archive
from jaxspeech.errors import AudioError, ConfigError
from jaxspeech.inference.enhance_programs import EnhancePrograms
from jaxspeech.inference.enhanced_reading import EnhancedReading
from jaxspeech.inference.inputs import Recording
from jaxspeech.pipelines.enhancer import Enhancer
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.tasks.kinds import Enhancement
from tests.pipelines.live_enhancer import MODEL, RATE, random_variables
from tests.pipelines.tiny_recognizer import chirps, tiny_archive

SCALED = MODEL | {"normalize_input": True}


def with_kind(kind):
    """An enhancer whose function is another one."""
    enhancer = Enhancer(Archive(MODEL, {}, random_variables(), {}))
    enhancer.task = enhancer.task.__class__(**{**vars(enhancer.task), "inference": kind})
    enhancer._streaming = None
    enhancer._programs = EnhancePrograms(enhancer.task, config={})
    return enhancer


def read_through(enhancer, samples, rate):
    found = EnhancedReading(enhancer).read(Recording("x", samples), sample_rate=rate, array_rate=None, channel="mean")
    assert isinstance(found, np.ndarray)
    return found


def test_all_windows_are_divided_by_the_peak_of_the_recording():
    def squares(variables, samples, num_samples, *, peak=None):
        return samples**2 / jnp.asarray(peak)[:, None, None]

    enhancer = with_kind(Enhancement(RATE, 1, squares, scaled=True))
    rng = np.random.default_rng(0)
    loud = rng.normal(size=(2, 3 * RATE)).astype(np.float32) * np.linspace(0.1, 0.3, 3 * RATE, dtype=np.float32)
    [found, short] = enhancer.enhance([loud, loud[0, :1000]], chunk_seconds=0.5)
    np.testing.assert_allclose(found.samples, loud**2 / np.abs(loud).max(1, keepdims=True), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(short.samples, loud[0, :1000] ** 2 / np.abs(loud[0, :1000]).max(), rtol=1e-5, atol=1e-7)


def test_a_model_of_several_channels_gets_them_together():
    def first_less_mean(variables, samples, num_samples, *, key=None):
        return samples[:, :1] - samples.mean(1, keepdims=True)

    samples = np.random.default_rng(0).normal(size=(3, 2 * RATE)).astype(np.float32) / 8
    expected = samples[0] - samples.mean(0)
    for channels in (3, None):
        enhancer = with_kind(Enhancement(RATE, channels, first_less_mean, random=True))
        [found] = enhancer.enhance(samples, chunk_seconds=0.5)
        np.testing.assert_allclose(found.samples, expected, atol=1e-6)
    enhancer = with_kind(Enhancement(RATE, 3, first_less_mean, random=True))
    with pytest.raises(AudioError, match="array 0: has 2 channels; this model needs 3"):
        enhancer.enhance(samples[:2])
    heard = read_through(enhancer, samples, RATE)
    np.testing.assert_allclose(heard, expected, atol=1e-6)
    with pytest.raises(ConfigError, match="cannot run live: it draws noise; it takes several channels"):
        enhancer.stream()


def test_separated_talkers_are_channels():
    def twice(variables, samples, num_samples):
        return jnp.concatenate([samples, -samples], 1)

    enhancer = with_kind(Enhancement(RATE, 1, twice))
    samples = np.random.default_rng(0).normal(size=1000).astype(np.float32) / 8
    np.testing.assert_allclose(enhancer.enhance(samples)[0].samples, [samples, -samples], atol=1e-6)
    [failed] = enhancer.enhance(np.stack([samples, samples]), on_error="skip")
    assert failed.error and "has 2 channels, and this model makes 2 of one: choose a channel" in failed.error
    assert enhancer.enhance(np.stack([samples, samples]), channel=1)[0].samples.shape == (2, 1000)


@pytest.fixture(scope="module")
def asr():
    return Recognizer(tiny_archive())


def test_a_recogniser_hears_what_was_enhanced(asr):
    first, second = chirps(1, 1.1), chirps(2, 0.9)
    calls = []

    def enhance(samples, rate):
        calls.append((len(samples), rate))
        return samples / 2

    plain = asr.transcribe([first / 2, second / 2], return_log_probs=True)
    heard = asr.transcribe([first, second], return_log_probs=True, enhance=enhance)
    assert sorted(calls) == sorted((len(x), 16000) for x in (first, second))
    for a, b in zip(plain, heard, strict=True):
        assert a.text == b.text
        np.testing.assert_allclose(a.log_probs, b.log_probs, atol=1e-5)

    def failing(samples, rate):
        raise MemoryError

    [skipped] = asr.transcribe([first], enhance=failing, on_error="skip")
    assert skipped.error == "array 0: there is not enough memory for it"
    with pytest.raises(ConfigError, match="enhance is 'a model'"):
        asr.transcribe([first], enhance="a model")


def test_an_enhancer_of_another_rate_fits_a_recogniser(asr):
    enhancer = with_kind(Enhancement(RATE, 1, lambda variables, samples, num_samples: samples))
    low = np.sin(np.arange(16000) / 16000 * 2 * np.pi * 300).astype(np.float32) / 4
    found = read_through(enhancer, low, 16000)
    np.testing.assert_allclose(found[2000:14000], low[2000:14000], atol=2e-3)
    assert len(found) == len(low) and len(asr.transcribe([low], enhance=enhancer)) == 1


def test_the_names_are_public():
    assert jaxspeech.Enhancer is Enhancer and jaxspeech.Enhanced.__name__ == "Enhanced"
