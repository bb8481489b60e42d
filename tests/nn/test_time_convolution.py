import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.nn.time_convolution import TimeConv1D


@pytest.mark.parametrize("separable", [True, False])
def test_padding_is_ignored(separable: bool) -> None:
    x = jax.random.normal(jax.random.key(0), (2, 20, 3))
    num_frames = jnp.array([20, 13])
    module = TimeConv1D(4, 5, stride=2, separable=separable)
    variables = module.init(jax.random.key(1), x, num_frames)
    y, lengths = module.apply(variables, x.at[1, 13:].set(jnp.nan), num_frames)
    np.testing.assert_array_equal(lengths, [10, 7])
    alone, length = module.apply(variables, x[1:, :13], num_frames[1:])
    assert np.isfinite(y).all() and length[0] == alone.shape[1] == 7
    np.testing.assert_allclose(y[1, :7], alone[0], atol=1e-5)
