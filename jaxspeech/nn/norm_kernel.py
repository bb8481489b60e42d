"""A GPU kernel for the gradient of layer norm: one pass over its input and the gradients.

With n = (x - mean) / sqrt(var + eps) and, of the gradient g by y, h = scale g:

    by_x = (h - mean h - n mean(h n)) / sqrt(var + eps) + other,    by_scale = sum g n,    by_bias = sum g
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu
from jaxtyping import Array, Float

# Numbers of a tile, and tiles whose gradients by the scale one program sums.
TILE, TILES = 4096, 8


def layer_norm_gradients(
    scale: Float[Array, " D"],
    x: Float[Array, "N D"],
    gradient: Float[Array, "N D"],
    other: Float[Array, "N D"] | None = None,
    *,
    epsilon: float,
    interpret: bool = False,
) -> tuple[Float[Array, "N D"], Float[Array, "G 2 D"]]:
    """Returns the gradients by x, and those by scale and bias, summed over each of G groups of rows.

    Args:
      scale: of the norm.
      x: D is a power of two.
      gradient: by the norm's result.
      other: added to the gradient by x.
      epsilon: of the norm.
      interpret: run anywhere, slowly.
    """
    num_rows, width = x.shape
    tile = max(TILE // width, 1)
    groups = -(-num_rows // (tile * TILES))
    rows = pl.BlockSpec((num_rows, width), lambda i: (0, 0))
    arrays = [x, gradient] if other is None else [x, gradient, other]

    def layer_norm_gradients(scale_ref: Any, *refs: Any) -> None:
        *sources, by_x_ref, sums_ref = refs
        scale, start = scale_ref[...][None], pl.program_id(0) * TILES * tile

        def step(i: Any, sums: Any) -> Any:
            first = start + i * tile
            real = (first + jnp.arange(tile) < num_rows)[:, None]
            place = pl.ds(first, tile), slice(None)
            x, gradient, *other = (plgpu.load(ref.at[place], mask=real, other=0).astype(jnp.float32) for ref in sources)
            centred = x - x.sum(1, keepdims=True) / width
            inverse = jax.lax.rsqrt((centred * centred).sum(1, keepdims=True) / width + epsilon)
            normed, scaled = centred * inverse, gradient * scale
            shift = scaled.sum(1, keepdims=True) / width + normed * ((scaled * normed).sum(1, keepdims=True) / width)
            by_x = (scaled - shift) * inverse + (other[0] if other else 0.0)
            plgpu.store(by_x_ref.at[place], by_x.astype(by_x_ref.dtype), mask=real)
            return sums[0] + (gradient * normed).sum(0), sums[1] + gradient.sum(0)

        zeros = jnp.zeros(width, jnp.float32)
        sums_ref[0, :], sums_ref[1, :] = jax.lax.fori_loop(0, TILES, step, (zeros, zeros))

    return pl.pallas_call(
        layer_norm_gradients,
        grid=(groups,),
        in_specs=[pl.BlockSpec((width,), lambda i: (0,)), *(rows for _ in arrays)],
        out_specs=[rows, pl.BlockSpec((None, 2, width), lambda i: (i, 0, 0))],
        out_shape=[
            jax.ShapeDtypeStruct(x.shape, x.dtype),
            jax.ShapeDtypeStruct((groups, 2, width), jnp.float32),
        ],
        compiler_params=plgpu.CompilerParams(num_warps=4, num_stages=2),
        interpret=interpret,
        name="layer_norm_gradients",
    )(scale, *arrays)
