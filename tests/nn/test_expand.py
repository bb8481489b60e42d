"""Tests the conversions between symbols and frames against NumPy, row by row."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.nn.expand import durations_from_log, expand, rounded_durations, token_means

DURATIONS = np.array([[2, 0, 3, 1], [1, 4, 0, 0], [0, 0, 0, 0]], np.int32)
FRAMES = 7


def test_expansion_and_its_gradient():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 4, 5)).astype(np.float32)
    x[DURATIONS == 0] = np.nan
    weights = rng.normal(size=(3, FRAMES, 5)).astype(np.float32)

    @jax.jit
    def run(x, durations):
        def total(x):
            frames, num_frames = expand(x, durations, FRAMES)
            return (frames * weights).sum(), (frames, num_frames)

        (_, found), grad = jax.value_and_grad(total, has_aux=True)(x)
        return *found, grad

    frames, num_frames, grad = run(x, DURATIONS)
    np.testing.assert_array_equal(num_frames, DURATIONS.sum(1))
    owners = [np.repeat(np.arange(4), row) for row in DURATIONS]
    expected, expected_grad = np.zeros_like(frames), np.zeros_like(x)
    for b, owner in enumerate(owners):
        expected[b, : len(owner)] = x[b, owner]
        np.add.at(expected_grad[b], owner, weights[b, : len(owner)])
    np.testing.assert_array_equal(frames, expected)
    np.testing.assert_allclose(grad, expected_grad, rtol=1e-6)

    cut, counts = expand(jnp.asarray(x), jnp.asarray(DURATIONS), 4)
    np.testing.assert_array_equal(cut, expected[:, :4])
    np.testing.assert_array_equal(counts, [4, 4, 0])


def test_symbols_of_a_symbolic_number():
    scope = jax.export.symbolic_shape("n, t")
    (n, t), x = scope, np.random.default_rng(1).normal(size=(3, 4, 5)).astype(np.float32)
    specs = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in (((3, n, 5), "float32"), ((3, n), "int32"))]
    frames = jax.ShapeDtypeStruct((t,), "int32")
    exported = jax.export.export(jax.jit(lambda x, d, like: expand(x, d, like.shape[0])))(*specs, frames)
    found, _ = exported.call(x, DURATIONS, np.zeros(FRAMES, np.int32))
    np.testing.assert_array_equal(found, expand(jnp.asarray(x), jnp.asarray(DURATIONS), FRAMES)[0])


def test_long_durations_stay_exact_in_half_precision():
    x = jnp.arange(4, dtype=jnp.bfloat16)[None, :, None]
    frames, _ = expand(x, jnp.array([[3000, 1, 1, 1000]]), 4002)
    np.testing.assert_array_equal(np.asarray(frames[0, 2999:3003, 0], np.float32), [0, 1, 2, 3])


def test_durations_of_predictions():
    log_durations = np.log1p([[0.4, 2.51, 100, -0.5], [1.49, 3, np.nan, 7]]).astype(np.float32)
    log_durations[1, 2] = np.nan
    found = durations_from_log(log_durations, np.array([4, 2]), pace=np.array([1.0, 2.0]))
    np.testing.assert_array_equal(found, [[0, 3, 75, 0], [1, 2, 0, 0]])
    np.testing.assert_array_equal(rounded_durations(np.array([[0.5, 1.49, -3.0]]), np.array([3])), [[1, 1, 0]])


def test_means_of_the_voiced_frames_of_symbols():
    values = np.random.default_rng(2).normal(size=(3, FRAMES)).astype(np.float32)
    values[:, [0, 3]] = 0
    values[1, 5:] = np.nan
    values[2] = np.nan
    expected = np.zeros(DURATIONS.shape)
    for b, row in enumerate(DURATIONS):
        ends = np.cumsum(row)
        for n, (start, end) in enumerate(zip(ends - row, ends, strict=True)):
            voiced = [v for v in values[b, start:end] if v != 0]
            expected[b, n] = np.mean(voiced) if voiced else 0
    np.testing.assert_allclose(token_means(values, DURATIONS), expected, rtol=1e-6)
