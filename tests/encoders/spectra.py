"""Checks for every estimator of spectra: a recording depends neither on the content of padding nor on the batch."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def noise(*shape: int, seed: int = 0) -> jax.Array:
    """Complex normal numbers."""
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(size=shape) + 1j * rng.normal(size=shape), jnp.complex64)


def random_variables(module: Any, *inputs: Any) -> Any:
    """Variables of which none has its initial value: zero biases and unit variances would hide mistakes."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(module.init, jax.random.key(0), *inputs)
    return jax.tree_util.tree_map_with_path(
        lambda path, x: jnp.asarray(
            rng.uniform(0.5, 1.5, x.shape)
            if path[-1].key in ("var", "scale")
            else rng.normal(size=x.shape) / max(np.prod(x.shape[:-1]), 1) ** 0.5,
            jnp.float32,
        ),
        shapes,
    )


def check_padding_and_batch(module: Any, spectra: Any, num_frames: Any, *condition: Any, atol: float = 2e-5) -> Any:
    """Fills the padding with NaN, and runs the second recording alone; returns the variables and the estimates."""
    variables = random_variables(module, spectra, num_frames, *condition)
    apply = jax.jit(module.apply)
    estimates = apply(variables, spectra, num_frames, *condition)
    assert estimates.shape == (len(spectra), module.num_outputs, *spectra.shape[2:])
    assert estimates.dtype == jnp.complex64
    padding = np.arange(spectra.shape[2])[None, None, :, None] >= np.asarray(num_frames)[:, None, None, None]
    spoilt = apply(variables, jnp.where(padding, complex(np.nan, np.nan), spectra), num_frames, *condition)
    np.testing.assert_array_equal(spoilt, estimates)
    assert not np.where(padding, estimates, 0).any()
    row, n = slice(1, 2), int(num_frames[1])
    alone = apply(variables, spectra[row, :, :n], num_frames[row], *(x[row] for x in condition))
    np.testing.assert_allclose(alone, estimates[row, :, :n], atol=atol * np.abs(alone).max())
    return variables, estimates
