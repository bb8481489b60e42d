"""The estimator of the live enhancer: causal but for its look-ahead, and step by step what it is at once."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.encoders.deep_filter import DeepFilter, band_edges

SIZES: Any = {"num_bands": 6, "low_bins": 9, "taps": 5, "look_ahead": 2, "width": 8, "num_layers": 1, "memory": 10}
# What these random gains and filters remove is about 3 dB weaker than the input.
SMALL = DeepFilter(**SIZES, clean_db=3.0)
FRAMES, BINS = 11, 17


def spectra_of(seed=0, frames=FRAMES):
    parts = np.random.default_rng(seed).normal(size=(2, 2, 1, frames, BINS)).astype(np.float32)
    return parts[0] + 1j * parts[1]


@pytest.fixture(scope="module")
def variables():
    shapes = jax.eval_shape(SMALL.init, jax.random.key(0), jnp.asarray(spectra_of()), jnp.full(2, FRAMES))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda x: 0.3 * rng.normal(size=x.shape).astype(np.float32), shapes)


@pytest.fixture(scope="module")
def whole():
    return jax.jit(lambda variables, x: SMALL.apply(variables, x, jnp.full(2, FRAMES)))


def test_steps_of_any_length_give_what_the_whole_gives(variables, whole):
    spectra = spectra_of()
    late = np.pad(spectra, ((0, 0), (0, 0), (0, 2), (0, 0)))
    step = jax.jit(lambda x, state: SMALL.apply(variables, x, state, method="step"))
    state, found = SMALL.start(2, BINS), []
    for first, last in ((0, 1), (1, 7), (7, 13)):
        part, state = step(late[:, :, first:last], state)
        found.append(part)
    np.testing.assert_allclose(np.concatenate(found, 2)[:, :, 2:], whole(variables, spectra), atol=1e-5)


def test_a_frame_hears_no_more_than_the_look_ahead(variables, whole):
    spectra = spectra_of()
    changed = spectra.copy()
    changed[:, :, 7:] = 5.0
    same = np.abs(np.asarray(whole(variables, spectra) - whole(variables, changed))).max((0, 1, 3)) == 0
    assert same.tolist() == [True] * 5 + [False] * 6


def test_the_output_is_gains_and_filters_of_the_input(variables):
    """By hand, with gains of one half and filters that are the same in all frames."""
    parts = jax.tree.map(jnp.zeros_like, variables["params"])
    filters = np.random.default_rng(3).normal(size=(2, 5, 9)).astype(np.float32)
    parts["filters"]["bias"] = filters.reshape(-1)
    spectra = spectra_of()
    model: Any = DeepFilter(**SIZES)
    found = model.apply({"params": parts}, jnp.asarray(spectra), jnp.full(2, FRAMES))
    taps, padded = filters[0] + 1j * filters[1], np.pad(spectra, ((0, 0), (0, 0), (2, 2), (0, 0)))
    expected = spectra / 2
    for k in range(5):
        expected[..., :9] += taps[k] * padded[:, :, 4 - k : 4 - k + FRAMES, :9]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_recording_of_which_little_would_be_removed_stays_as_it_is(variables):
    """Gains of 0.9 remove what is 20 dB weaker: more than 10 dB is kept, and of what is above 30 dB nothing."""
    parts = jax.tree.map(jnp.zeros_like, variables["params"])
    parts["gains"]["bias"] = jnp.full_like(parts["gains"]["bias"], np.log(9.0))
    spectra = jnp.asarray(spectra_of())
    for clean_db, kept in ((10.0, 1.0), (20.0, 0.5), (30.0, 0.0)):
        model: Any = DeepFilter(**SIZES, clean_db=clean_db)
        found = model.apply({"params": parts}, spectra, jnp.full(2, FRAMES))
        np.testing.assert_allclose(found, (0.9 + 0.1 * kept) * spectra, atol=1e-3)


def test_bands_are_narrow_where_hearing_is_fine():
    edges = band_edges(32, num_bins=161, sample_rate=16000)
    widths = np.diff(edges)
    assert edges[0] == 0 and edges[-1] == 161 and len(widths) == 32
    assert (widths >= 1).all() and widths[:5].max() <= 2 and widths[-1] >= 10
    assert band_edges(32, num_bins=9, sample_rate=16000) == tuple(range(10))
