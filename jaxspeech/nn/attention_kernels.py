"""GPU kernels of self-attention with relative positions: scores and weights stay within a kernel, block by block.

Forward, for each recording and head:
    position_scores     P[t, s] = (q_t + v) . p_{t-s}
    attend              y_t = sum_s drop(softmax_s(((q_t + u) . k_s + P[t, s]) / sqrt(K))) v_s, and the normaliser
Backward, from the gradient of y:
    key_gradients       gradients by k and v, and S: the gradient by the scores
    query_gradients     S k + S p, the gradient by q
    position_gradients  S^T (q + v)

P and S, [B H S S] in the dtype of the query, are the only arrays of that size in memory. Softmax and sums are float32.
Source: Dao, "FlashAttention-2" (2023); here with the scores of the positions.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu
from jaxtyping import Array, Float

from jaxspeech.nn.kernel_blocks import Inputs, Place, Settings, call

# Rows whose gradients by the positions one program sums.
ROWS_TOGETHER = 8
# Below any score, and finite: the difference of two of these is 0.
LOWEST = -1e30


def position_scores(inputs: Inputs, settings: Settings) -> Float[Array, "B H S S"]:
    """Computes the scores P of the positions; those of pairs with frames beyond T may be anything."""
    b, _, h, _ = inputs.query.shape
    pairs = jax.ShapeDtypeStruct((b, h, *inputs.mask.shape[1:]), inputs.query.dtype)
    arrays = dict(query=inputs.query, bias=inputs.bias_v, positions=inputs.positions)
    return call(_position_scores, arrays, dict(scores=pairs), settings, products=lambda n: n * (n + 1))[0]


def _position_scores(refs: Any, at: Place) -> None:
    query = at.rows(refs["query"], at.first) + refs["bias"][...][None]

    def step(i: Any, _: None) -> None:
        distance = at.reached + i * at.block
        scores = plgpu.dot(query, at.positions(refs["positions"], distance).T)
        pairs, real = at.skewed(at.first, distance)
        plgpu.store(refs["scores"].at[pairs], scores.astype(query.dtype), mask=real)

    jax.lax.fori_loop(0, at.blocks + 1, step, None)


def attend(
    inputs: Inputs, scores: Float[Array, "B H S S"], settings: Settings
) -> tuple[Float[Array, "B T H K"], Float[Array, "B H T"]]:
    """Returns y and the normalisers, from the scores of the positions; a query without any key yields zeros."""
    b, t, h, _ = inputs.query.shape
    arrays = dict(
        seed=inputs.seed,
        query=inputs.query,
        bias=inputs.bias_u,
        key=inputs.key,
        value=inputs.value,
        scores=scores,
        mask=inputs.mask,
    )
    results = dict(out=inputs.query, normalizer=jax.ShapeDtypeStruct((b, h, t), jnp.float32))
    out, normalizer = call(_attend, arrays, results, settings, products=lambda n: 2 * n * n, operations=30)
    return out, normalizer


def _attend(refs: Any, at: Place) -> None:
    query = at.rows(refs["query"], at.first) + refs["bias"][...][None]

    def step(i: Any, carry: Any) -> Any:
        out, highest, total = carry
        first = i * at.block
        scores, visible = at.scores(refs, query, at.rows(refs["key"], first), at.first, first)
        scores = jnp.where(visible, scores, LOWEST)
        new_highest = jnp.maximum(highest, scores.max(1))
        weights = jnp.where(visible, jnp.exp(scores - new_highest[:, None]), 0.0)
        factor = jnp.exp(highest - new_highest)
        total = total * factor + weights.sum(1)
        value = at.rows(refs["value"], first)
        kept = (weights * at.kept(refs["seed"], at.first, first, refs["mask"].shape[-1])).astype(value.dtype)
        return out * factor[:, None] + plgpu.dot(kept, value), new_highest, total

    zeros = jnp.zeros(query.shape, jnp.float32)
    start = zeros, jnp.full((at.block,), LOWEST, jnp.float32), jnp.zeros((at.block,), jnp.float32)
    out, highest, total = jax.lax.fori_loop(0, at.blocks, step, start)
    some = total > 0
    out = out / jnp.where(some, total, 1.0)[:, None]
    at.store_rows(refs["out"], at.first, out)
    normalizer = jnp.where(some, highest + jnp.log(jnp.where(some, total, 1.0)), 0.0)
    at.store_scalars(refs["normalizer"], at.first, normalizer)


def key_gradients(
    inputs: Inputs,
    scores: Float[Array, "B H S S"],
    gradient: Float[Array, "B T H K"],
    normalizer: Float[Array, "B H T"],
    delta: Float[Array, "B H T"],
    settings: Settings,
) -> tuple[Float[Array, "B T H K"], Float[Array, "B T H K"], Float[Array, "B H S S"]]:
    """Returns the gradients by keys, values and scores; `delta` is y . (gradient by y) of each query."""
    arrays = dict(
        seed=inputs.seed,
        query=inputs.query,
        bias=inputs.bias_u,
        key=inputs.key,
        value=inputs.value,
        scores=scores,
        mask=inputs.mask,
        gradient=gradient,
        normalizer=normalizer,
        delta=delta,
    )
    results = dict(by_key=inputs.key, by_value=inputs.value, by_scores=scores)
    by_key, by_value, by_scores = call(
        _key_gradients, arrays, results, settings, products=lambda n: 4 * n * n, operations=35
    )
    return by_key, by_value, by_scores


def _key_gradients(refs: Any, at: Place) -> None:
    key, value = (at.rows(refs[name], at.first) for name in ("key", "value"))

    def step(i: Any, carry: Any) -> Any:
        by_key, by_value = carry
        first = i * at.block
        query = at.rows(refs["query"], first) + refs["bias"][...][None]
        gradient = at.rows(refs["gradient"], first)
        scores, visible = at.scores(refs, query, key, first, at.first)
        normalizer, delta = (at.scalars(refs[name], first) for name in ("normalizer", "delta"))
        weights = jnp.where(visible, jnp.exp(jnp.where(visible, scores - normalizer[:, None], 0.0)), 0.0)
        kept = at.kept(refs["seed"], first, at.first, refs["mask"].shape[-1])
        by_value += plgpu.dot((weights * kept).astype(value.dtype).T, gradient)
        by_weights = plgpu.dot(gradient, value.T) * kept
        by_scores = (weights * (by_weights - delta[:, None]) * at.scale).astype(value.dtype)
        at.store_pairs(refs["by_scores"], first, at.first, by_scores)
        return by_key + plgpu.dot(by_scores.T, query), by_value

    zeros = jnp.zeros(key.shape, jnp.float32)
    by_key, by_value = jax.lax.fori_loop(0, at.blocks, step, (zeros, zeros))
    at.store_rows(refs["by_key"], at.first, by_key)
    at.store_rows(refs["by_value"], at.first, by_value)


def query_gradients(
    inputs: Inputs, by_scores: Float[Array, "B H S S"], settings: Settings
) -> tuple[Float[Array, "B T H K"], Float[Array, "B H N 2 K"]]:
    """Returns the gradients by the query, and those by the biases u and v, summed over each of N blocks of frames."""
    b, t, h, k = inputs.query.shape
    arrays = dict(by_scores=by_scores, key=inputs.key, positions=inputs.positions)
    summed = jax.ShapeDtypeStruct((b, h, -(-t // settings.block), 2, k), jnp.float32)
    results = dict(by_query=inputs.query, by_biases=summed)
    by_query, by_biases = call(_query_gradients, arrays, results, settings, products=lambda n: n * (2 * n + 1))
    return by_query, by_biases


def _query_gradients(refs: Any, at: Place) -> None:
    def content(i: Any, total: Any) -> Any:
        by_scores = at.pairs(refs["by_scores"], at.first, i * at.block)
        return total + plgpu.dot(by_scores, at.rows(refs["key"], i * at.block))

    def position(i: Any, total: Any) -> Any:
        distance = at.reached + i * at.block
        pairs, real = at.skewed(at.first, distance)
        by_scores = plgpu.load(refs["by_scores"].at[pairs], mask=real, other=0)
        return total + plgpu.dot(by_scores, at.positions(refs["positions"], distance))

    zeros = jnp.zeros((at.block, refs["key"].shape[1]), jnp.float32)
    by_content = jax.lax.fori_loop(0, at.blocks, content, zeros)
    by_position = jax.lax.fori_loop(0, at.blocks + 1, position, zeros)
    at.store_rows(refs["by_query"], at.first, by_content + by_position)
    refs["by_biases"][0, :], refs["by_biases"][1, :] = by_content.sum(0), by_position.sum(0)


def position_gradients(
    inputs: Inputs, by_scores: Float[Array, "B H S S"], settings: Settings
) -> Float[Array, "G H W K"]:
    """Returns the gradients by the positions, summed over each of G groups of rows."""
    b = len(inputs.query)
    together = math.gcd(b, ROWS_TOGETHER)
    arrays = dict(by_scores=by_scores, query=inputs.query, bias=inputs.bias_v)
    results = dict(by_positions=jax.ShapeDtypeStruct((b // together, *inputs.positions.shape), jnp.float32))
    return call(
        _position_gradients,
        arrays,
        results,
        settings,
        products=lambda n: n * (n + 2),
        over=inputs.positions.shape[1],
        together=together,
    )[0]


def _position_gradients(refs: Any, at: Place) -> None:
    # The queries with a key at one of these distances.
    lowest = jnp.maximum(at.frames - at.first - at.block + 1, 0) // at.block
    end = pl.cdiv(jnp.minimum(2 * at.frames - at.first, at.frames), at.block)

    def row(r: Any, total: Any) -> Any:
        def step(i: Any, total: Any) -> Any:
            query = at.rows(refs["query"], i * at.block, row=r) + refs["bias"][...][None]
            (of_query, of_key), real = at.skewed(i * at.block, at.first)
            place = jnp.full(real.shape, r, jnp.int32), of_query, of_key
            by_scores = plgpu.load(refs["by_scores"].at[place], mask=real, other=0)
            return total + plgpu.dot(by_scores.T, query)

        return jax.lax.fori_loop(lowest, end, step, total)

    zeros = jnp.zeros((at.block, refs["query"].shape[-1]), jnp.float32)
    total = jax.lax.fori_loop(0, refs["query"].shape[0], row, zeros)
    at.store_rows(refs["by_positions"], at.first, total, 2 * at.frames)
