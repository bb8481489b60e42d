"""The pitch of tones that are known, of what has none, and of rows in batches."""

import jax
import numpy as np
import pytest

from jaxspeech.audio.pitch import extract_pitch
from jaxspeech.features.pitch import pitch

RATE, HOP, SIZE = 8000, 80, 8000
run = jax.jit(pitch, static_argnames=("sample_rate", "hop", "centred"))


def glide(start: float, end: float) -> tuple[np.ndarray, np.ndarray]:
    """A tone with falling harmonics whose fundamental moves from `start` to `end` Hz; it, and the frequencies."""
    frequency = np.linspace(start, end, SIZE)
    cycles = np.cumsum(frequency) / RATE
    tone = np.sum([np.cos(2 * np.pi * h * cycles + h) / h for h in range(1, 6)], axis=0)
    return (0.1 * tone).astype(np.float32), frequency


@pytest.fixture(scope="module")
def found():
    """The tones, as rows of one batch with NaN after their ends: two glides, noise, silence, and half of a tone."""
    rng = np.random.default_rng(0)
    tones = [glide(110, 140)[0], glide(330, 280)[0], 0.1 * rng.standard_normal(SIZE), np.zeros(SIZE), glide(90, 95)[0]]
    samples, lengths = np.stack(tones).astype(np.float32), np.array([SIZE] * 4 + [SIZE // 2])
    samples[4, SIZE // 2 :] = np.nan
    return samples, lengths, np.asarray(run(samples, lengths, sample_rate=RATE, hop=HOP))


def test_the_pitch_of_tones(found):
    for row, ends in enumerate(((110, 140), (330, 280))):
        true = glide(*ends)[1][::HOP]
        inside = slice(4, -4)
        np.testing.assert_allclose(found[2][row, inside], true[inside], rtol=5e-3)


def test_noise_and_silence_have_none(found):
    assert (found[2][2] > 0).mean() < 0.1 and not found[2][3].any()


def test_what_follows_the_end_does_not_matter(found):
    samples, lengths, pitches = found
    assert not pitches[4, SIZE // 2 // HOP + 4 :].any()
    other = np.where(np.isnan(samples), np.inf, samples)[::-1]
    np.testing.assert_array_equal(run(other, lengths[::-1], sample_rate=RATE, hop=HOP)[::-1], pitches)


def test_a_frame_can_lie_on_the_middle_of_its_samples(found):
    samples, lengths, pitches = found
    middle = np.asarray(run(samples, lengths, sample_rate=RATE, hop=HOP, centred=False))
    between = (pitches[0, 5:-5] + pitches[0, 6:-4]) / 2
    np.testing.assert_allclose(middle[0, 5:-5], between, rtol=1e-3)


def test_praat_finds_the_same(found):
    pytest.importorskip("parselmouth")
    samples, _, pitches = found
    for row in (0, 1):
        of_praat = extract_pitch(samples[row], RATE, hop=HOP)[: pitches.shape[1]]
        np.testing.assert_allclose(pitches[row, 4:-4], of_praat[4:-4], rtol=2e-3)
