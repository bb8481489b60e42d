import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.nn import grouped_convolution
from jaxspeech.nn.grouped_convolution import convolve


def test_groups_in_a_loop_and_together(monkeypatch):
    """Both by hand, with their gradients."""
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.standard_normal(shape), jnp.float32) for shape in ((2, 9, 6), (5, 2, 9)))
    options = {"padding": (2, 2), "stride": 2, "groups": 3}
    expected = np.zeros((2, 5, 9))
    padded = np.pad(x, ((0, 0), (2, 2), (0, 0)))
    for t in range(5):
        for d in range(9):
            seen = padded[:, 2 * t : 2 * t + 5, d // 3 * 2 : d // 3 * 2 + 2]
            expected[:, t, d] = np.einsum("bwi,wi->b", seen, kernel[:, :, d])

    def run(x, kernel):
        return (convolve(x, kernel, **options) ** 2).sum()

    np.testing.assert_allclose(convolve(x, kernel, **options), expected, atol=1e-5)
    together = jax.grad(run, (0, 1))(x, kernel)
    monkeypatch.setattr(grouped_convolution, "LARGE", 0)
    np.testing.assert_allclose(convolve(x, kernel, **options), expected, atol=1e-5)
    for ours, theirs in zip(jax.grad(run, (0, 1))(x, kernel), together, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    # Samples at the end that no output sees have no gradient.
    options |= {"padding": (0, 1), "stride": 4}
    looped = convolve(x, kernel, **options), jax.grad(run, (0, 1))(x, kernel)
    monkeypatch.setattr(grouped_convolution, "LARGE", 1 << 20)
    together = convolve(x, kernel, **options), jax.grad(run, (0, 1))(x, kernel)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), looped, together)
