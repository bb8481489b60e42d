import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.features.mel import MelSpectrogram, log_mel
from tests.features import oracle

LENGTHS = np.array([8000, 6401, 1700, 100, 0])
jitted = jax.jit(log_mel, static_argnames=tuple(MelSpectrogram.__dataclass_fields__))


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(8000) / 16000)
    rows = tone + 0.01 * rng.standard_normal((len(LENGTHS), 8000))
    return np.where(np.arange(8000) < LENGTHS[:, None], rows, 0).astype(np.float32)


def test_equals_the_equations_in_float64(samples):
    features, num_frames = jitted(samples, LENGTHS)
    np.testing.assert_array_equal(num_frames, LENGTHS // 160)
    assert features.shape == (5, 51, 80)
    for row, x, length in zip(features[:3], samples, LENGTHS, strict=False):
        frames = length // 160
        np.testing.assert_allclose(row[:frames], oracle.log_mel(x[:length]), atol=1e-3)
        assert not np.any(row[frames:])
    assert not np.any(features[3:])


def test_values_in_the_padding_do_not_matter(samples):
    beyond = np.arange(8000) >= LENGTHS[:, None]
    expected, _ = jitted(samples, LENGTHS)
    for garbage in (np.nan, np.inf, 1e30):
        features, _ = jitted(np.where(beyond, np.float32(garbage), samples), LENGTHS)
        np.testing.assert_array_equal(features, expected)


@pytest.mark.parametrize("row", [1, 2])
def test_a_row_alone_equals_itself_in_a_batch(samples, row):
    length = int(LENGTHS[row])
    alone, num_frames = jitted(samples[row : row + 1, :length], LENGTHS[row : row + 1])
    together, _ = jitted(samples, LENGTHS)
    np.testing.assert_allclose(alone[0, : num_frames[0]], together[row, : num_frames[0]], atol=2e-5)


def test_jit_and_vmap_change_nothing(samples):
    eager, _ = log_mel(samples, LENGTHS)
    np.testing.assert_allclose(jitted(samples, LENGTHS)[0], eager, atol=1e-4)
    nested, _ = jax.vmap(log_mel)(samples[:4].reshape(2, 2, -1), LENGTHS[:4].reshape(2, 2))
    np.testing.assert_allclose(nested.reshape(4, 51, 80), eager[:4], atol=1e-4)


@pytest.mark.parametrize("mag_power", [1.0, 2.0])
def test_gradients_are_finite_even_of_silence(samples, mag_power):
    def loss(x):
        return jnp.sum(jitted(x, LENGTHS, mag_power=mag_power)[0] ** 2)

    silence = jnp.zeros_like(samples)
    assert np.all(np.isfinite(jax.grad(loss)(silence)))
    gradient = jax.grad(loss)(jnp.asarray(samples))
    assert np.all(np.isfinite(gradient)) and np.any(gradient)
    assert not np.any(np.where(np.arange(8000) < LENGTHS[:, None], 0, gradient))


def test_gradient_points_along_the_difference_quotient(samples):
    x, n = jnp.asarray(samples[:1, :1600]), jnp.array([1600])
    direction = jnp.asarray(np.random.default_rng(1).standard_normal(x.shape), jnp.float32)

    def loss(step):
        return jnp.mean(jitted(x + step * direction, n, normalize="none")[0])

    slope = (loss(1e-3) - loss(-1e-3)) / 2e-3
    assert float(jax.grad(loss)(0.0)) == pytest.approx(float(slope), rel=0.05)


def test_half_precision_input_is_computed_in_float32(samples):
    coarse = jnp.asarray(samples, jnp.bfloat16)
    features, _ = jitted(coarse, LENGTHS)
    assert features.dtype == jnp.float32
    np.testing.assert_array_equal(features, jitted(coarse.astype(jnp.float32), LENGTHS)[0])


def test_padding_frames_hold_pad_value_up_to_a_multiple(samples):
    features, num_frames = jitted(samples, LENGTHS, pad_to=16, pad_value=-2.0)
    assert features.shape[1] == 64
    for row, length in zip(features, num_frames, strict=True):
        assert np.all(row[length:] == -2)


def test_exact_pad_has_one_frame_less(samples):
    features, num_frames = jitted(samples, LENGTHS, exact_pad=True)
    assert features.shape[1] == 50
    np.testing.assert_array_equal(num_frames, [49, 39, 9, 0, 0])


def test_dither_only_in_training_and_by_key(samples):
    mel = MelSpectrogram(dither=1e-2)
    plain, _ = mel.apply({}, samples, LENGTHS)
    np.testing.assert_array_equal(plain, log_mel(samples, LENGTHS)[0])
    one, again, other = (
        mel.apply({}, samples, LENGTHS, train=True, rngs={"dither": jax.random.key(k)})[0] for k in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - plain).max() > 0.1 and np.abs(one - other).max() > 0.1


def test_dither_has_its_standard_deviation():
    silence, length = np.zeros((1, 160000), np.float32), np.array([160000])
    linear = {"preemphasis": None, "normalize": "none", "log": False}
    noise, _ = log_mel(silence, length, dither=0.1, dither_key=jax.random.key(0), **linear)
    # An impulse of height h at the window's peak has the energy h^2 in every bin, noise d^2 sum(window^2).
    impulse = silence.copy()
    impulse[0, 80000] = 0.1 * np.sqrt(np.sum(np.hanning(400) ** 2))
    flat, _ = log_mel(impulse, length, **linear)
    assert np.mean(noise[0, 5:-5]) == pytest.approx(float(np.mean(flat[0, 500])), rel=0.02)


def test_num_features_counts_spliced_copies():
    assert MelSpectrogram(num_mels=64, frame_splicing=3).num_features == 192


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"window": "hanning"}, "unknown window 'hanning'.*hann"),
        ({"normalize": "per_band"}, "unknown normalize 'per_band'.*per_feature"),
        ({"log_guard": "max"}, "unknown log_guard 'max'"),
        ({"mel_norm": "htk"}, "unknown mel_norm 'htk'"),
        ({"fft_size": 256}, "fft_size 256 is shorter than the window of 400"),
        ({"hop_seconds": 0.00001}, "must be at least one sample long"),
        ({"num_mels": 0}, "num_mels 0"),
        ({"pad_to": -1}, "pad_to -1"),
        ({"high_hz": 9000.0}, "high_hz 9000.0"),
        ({"low_hz": 8000.0}, "low_hz 8000.0"),
        ({"exact_pad": True, "hop_seconds": 0.0101}, "even hop, not 161"),
    ],
)
def test_unusable_fields_are_named(fields, message):
    with pytest.raises(ConfigError, match=message) as caught:
        MelSpectrogram(**fields)
    assert "\n" not in str(caught.value)
