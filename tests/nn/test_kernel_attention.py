"""The GPU kernels of attention, interpreted on this machine, against the portable computation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.masks import attention_mask, context_mask
from jaxspeech.nn.attention import Positional, attention, split_positions
from jaxspeech.nn.kernel_attention import attention_by_kernels
from jaxspeech.nn.kernel_blocks import Settings
from tests.eight_devices import on_eight_devices

B, T, H, K = 3, 21, 2, 16
LENGTHS = (21, 13, 0)  # the last row has no key at all


def inputs():
    rng = np.random.default_rng(0)

    def normal(*shape):
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    query, key, value = (normal(B, T, H, K) for _ in range(3))
    return query, key, value, Positional(split_positions(normal(2 * T - 1, H * K), H), normal(H, K), normal(H, K))


# Blocks of 16 do not divide 21 frames; 3 frames align them to 24.
@pytest.mark.parametrize("rate", [0.0, 0.25])
def test_kernels_compute_what_the_portable_code_does_and_its_gradients(rate):
    mask = attention_mask(jnp.array(LENGTHS), context_mask(jnp.arange(T), jnp.arange(T), 9, 4))
    drawn = jax.random.key(3) if rate else None
    weight = jnp.cos(jnp.arange(B * T * H * K)).reshape(B, T, H, K)

    def portable(query, key, value, positional):
        return attention(query, key, value, mask, positional, drawn, rate=rate, train=True, extra=3)

    def kernels(query, key, value, positional):
        settings = Settings(block=16, interpret=True)
        return attention_by_kernels(query, key, value, mask, positional, drawn, rate=rate, extra=3, settings=settings)

    def both(function):
        def weighted(*arrays):
            y = function(*arrays)
            return (y * weight).sum(), y

        return jax.jit(jax.value_and_grad(weighted, (0, 1, 2, 3), has_aux=True))(*inputs())

    (_, got), gradients = both(kernels)
    (_, want), expected = both(portable)
    np.testing.assert_allclose(got, want, atol=1e-5)
    np.testing.assert_array_equal(got[2], 0)
    # Column 0 of the positions is no distance; the portable code never reads it either.
    for ours, theirs in zip(jax.tree.leaves(gradients), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * float(jnp.abs(theirs).max()))


SPLIT = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P
from jaxspeech.nn.kernel_attention import attention_by_kernels
from jaxspeech.nn.kernel_blocks import Settings
from jaxspeech.nn.stream_norm import by_kernel, portable
from jaxspeech.row_parallel import traced_over
from jaxspeech.training.sharding import make_mesh
from tests.nn.test_kernel_attention import H, K, T, inputs

mesh = make_mesh(devices=jax.devices()[:4])
*rows, positional = inputs()
rows = [jnp.concatenate([x, x[:1] + 1]) for x in rows]
mask = jnp.ones((1, T, T), bool)

def gradients(query, key, value, positional):
    def total(*arrays):
        options = dict(rate=0.25, extra=3, settings=Settings(block=16, interpret=True))
        return jnp.sin(attention_by_kernels(*arrays[:3], mask, arrays[3], jax.random.key(3), **options)).sum()
    found = jax.grad(total, (0, 1, 2, 3))(query, key, value, positional)
    x, other, gradient = (y.reshape(4, T, H * K) for y in (query, key, value))
    return found, by_kernel(x, x[0, 0], x[0, 1], other, gradient, interpret=True)

split = [jax.device_put(x, NamedSharding(mesh, P("data"))) for x in rows]
program = jax.jit(traced_over(gradients, mesh)).lower(*split, positional).compile()
assert "all-gather" not in program.as_text()
found, expected = program(*split, positional), jax.jit(gradients)(*rows, positional)
jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5), found, expected)
x, other, gradient = (y.reshape(4, T, H * K) for y in rows)
norm = portable(x, x[0, 0], x[0, 1], other, gradient)
jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4), expected[1], norm)
"""


def test_each_device_computes_its_rows_with_the_dropout_of_the_whole_batch():
    on_eight_devices(SPLIT)
