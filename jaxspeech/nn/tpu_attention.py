"""A TPU kernel of self-attention with relative positions, for transcription: scores and weights stay on the chip.

y_t = sum_s softmax_s(((q_t + u) . k_s + (q_t + v) . p_{t-s}) / sqrt(K)) v_s

A program computes one block of queries of one recording, head after head. The scores of the positions in the block's
reach are one product, whose row i is then rotated by i columns. Between products in the large memory, a TPU would copy
all these scores several times for that shift: their rows are stored in tiles.
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Array, Bool, Float

from jaxspeech.nn.attention import Positional
from jaxspeech.row_parallel import kernels_over_rows

# Queries of a block; frames are padded to a multiple.
BLOCK = 128
# Below any score, and finite: the difference of two of these is 0.
LOWEST = -1e30


def attention_on_tpu(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B T H K"],
    value: Float[Array, "B T H K"],
    mask: Bool[Array, "#B #T T"],
    positional: Positional,
    *,
    interpret: bool = False,
) -> Float[Array, "B T H K"]:
    """Computes `nn.attention.attention` of whole recordings; `interpret`: anywhere, slowly."""
    b, t, h, k = query.shape
    extra = -t % BLOCK
    frames = (0, 0), (0, extra), (0, 0)
    rows = {
        name: jnp.pad(x.reshape(b, t, h * k), frames) for name, x in (("query", query), ("key", key), ("value", value))
    }
    queries = extra if mask.shape[1] > 1 else 0
    seen = jnp.pad(mask.astype(jnp.int8), ((0, 0), (0, queries), (0, extra)))
    positions = jnp.pad(positional.keys, ((0, 0), (0, 0), (extra, extra))).reshape(h * k, -1)
    biases = [x.astype(query.dtype).reshape(1, h * k) for x in (positional.bias_u, positional.bias_v)]
    whole = [positions, *biases]
    if len(mask) == 1 and b > 1:
        whole = [seen, *whole]
    else:
        rows["mask"] = seen

    def of_a_device(_: Any, whole: list[Array], rows: dict[str, Array]) -> Array:
        seen = rows.get("mask", whole[0])
        return _call(rows["query"], rows["key"], rows["value"], seen, *whole[-3:], heads=h, interpret=interpret)

    return kernels_over_rows(of_a_device, whole, rows)[:, :t].reshape(b, t, h, k)


def _call(
    query: Float[Array, "B S D"],
    key: Float[Array, "B S D"],
    value: Float[Array, "B S D"],
    mask: Any,
    positions: Float[Array, "D W"],
    bias_u: Float[Array, "1 D"],
    bias_v: Float[Array, "1 D"],
    *,
    heads: int,
    interpret: bool,
) -> Float[Array, "B S D"]:
    b, size, width = query.shape
    of_block = pl.BlockSpec((1, BLOCK, width), lambda row, block: (row, block, 0))
    of_row = pl.BlockSpec((1, size, width), lambda row, block: (row, 0, 0))
    shared, same = len(mask) == 1, mask.shape[1] == 1  # for all rows, for all queries
    of_mask = pl.BlockSpec(
        (1, 1 if same else BLOCK, size), lambda row, block: (0 if shared else row, 0 if same else block, 0)
    )
    once = [pl.BlockSpec(x.shape, lambda row, block: (0, 0)) for x in (positions, bias_u, bias_v)]
    pairs = b * heads * size * size
    return pl.pallas_call(
        partial(_attend, heads=heads),
        grid=(b, size // BLOCK),
        in_specs=[of_block, of_row, of_row, of_mask, *once],
        out_specs=of_block,
        out_shape=jax.ShapeDtypeStruct(query.shape, query.dtype),
        cost_estimate=pl.CostEstimate(
            flops=2 * (width // heads) * (3 * pairs + b * heads * size * BLOCK),
            transcendentals=pairs,
            bytes_accessed=4 * query.size * query.dtype.itemsize + mask.size,
        ),
        interpret=interpret,
        name="attention_on_tpu",
    )(query, key, value, mask, positions, bias_u, bias_v)


def _attend(
    query_ref: Any,
    key_ref: Any,
    value_ref: Any,
    mask_ref: Any,
    positions_ref: Any,
    bias_u_ref: Any,
    bias_v_ref: Any,
    out_ref: Any,
    *,
    heads: int,
) -> None:
    _, size, width = key_ref.shape
    k = width // heads
    visible = mask_ref[0].astype(jnp.float32) > 0
    some = visible.astype(jnp.float32).max(1, keepdims=True) > 0
    # In column j of row i stands the score of the key j - BLOCK + i, in a window of size + BLOCK columns.
    start = pl.multiple_of(size - BLOCK - pl.program_id(1) * BLOCK, BLOCK)
    product = partial(jax.lax.dot_general, preferred_element_type=jnp.float32)
    for head in range(heads):
        own = slice(head * k, (head + 1) * k)
        query = query_ref[0, :, own]
        by_content = product(query + bias_u_ref[:, own], key_ref[0, :, own], (((1,), (1,)), ((), ())))
        window = positions_ref[own, pl.ds(start, size + BLOCK)]
        by_position = product(query + bias_v_ref[:, own], window, (((1,), (0,)), ((), ())))
        by_position = pltpu.roll(by_position, size, 1, stride=1, stride_axis=0)[:, :size]
        scores = jnp.where(visible, (by_content + by_position) / math.sqrt(k), LOWEST)
        weights = jnp.exp(scores - scores.max(1, keepdims=True))
        total = weights.sum(1, keepdims=True)
        out = product(weights.astype(query.dtype), value_ref[0, :, own], (((1,), (0,)), ((), ()))) / total
        out_ref[0, :, own] = jnp.where(some, out, 0.0).astype(out_ref.dtype)
