"""Checks for every encoder: the frames of an utterance depend neither on the content of padding nor on the batch."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest


def filled(module: Any) -> Any:
    """Returns the module, random variables (none at its initial value), features [3 100 20] and num_frames."""
    rng = np.random.default_rng(0)
    features = jnp.asarray(rng.normal(size=(3, 100, 20)), jnp.float32)
    num_frames = jnp.array([99, 61, 30])
    shapes = jax.eval_shape(module.init, jax.random.key(0), features, num_frames)
    # Zero biases and unit variances would hide mistakes.
    variables = jax.tree_util.tree_map_with_path(
        lambda path, x: jnp.asarray(
            rng.uniform(0.5, 1.5, x.shape) if path[-1].key in ("var", "scale") else 0.2 * rng.normal(size=x.shape),
            jnp.float32,
        ),
        shapes,
    )
    return module, variables, features, num_frames


def check_padding_and_batch(module: Any, variables: Any, features: Any, num_frames: Any) -> Any:
    """Fills the padding with NaN, runs the second utterance alone, and returns the encoder's num_frames."""
    apply = jax.jit(module.apply)
    encoded, lengths = apply(variables, features, num_frames)
    assert encoded.shape[-1] == module.output_dim
    padding = jnp.arange(features.shape[1])[None, :, None] >= num_frames[:, None, None]
    spoilt, _ = apply(variables, jnp.where(padding, jnp.nan, features), num_frames)
    assert np.isfinite(spoilt).all()
    for b, n in enumerate(lengths.tolist()):
        assert n == pytest.approx(num_frames[b] / module.total_factor, abs=2)
        np.testing.assert_allclose(spoilt[b, :n], encoded[b, :n], atol=2e-5)
    alone, length = apply(variables, features[1:2, : num_frames[1]], num_frames[1:2])
    assert length[0] == lengths[1]
    np.testing.assert_allclose(alone[0, : lengths[1]], encoded[1, : lengths[1]], atol=2e-5)
    return lengths
