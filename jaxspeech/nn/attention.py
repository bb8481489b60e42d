"""Multi-head self-attention, with absolute or Transformer-XL's relative positions (Dai et al., 2019).

scores[t, s] = ((q_t + u) . k_s + (q_t + v) . p_{t-s}) / sqrt(K)        relative
scores[t, s] = q_t . k_s / sqrt(K)                                      absolute
y_t = W_out  sum_s softmax_s(scores[t, s]) v_s
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxspeech.errors import ConfigError
from jaxspeech.history import in_parts, with_history
from jaxspeech.nn.dropout import Dropout, dropout
from jaxspeech.nn.initializers import dense
from jaxspeech.nn.materialize import materialize, separate
from jaxspeech.nn.products import einsum
from jaxspeech.nn.query_blocks import block_size, in_blocks_of_platform, in_query_blocks
from jaxspeech.nn.sequence_parallel import time_shards
from jaxspeech.row_parallel import gpu_kernels, rows_split
from jaxspeech.types import Size

# The collection that caches projected positions, computed once for all recordings and all their parts.
POSITIONS = "positions"
# Frames in half precision are padded to a multiple of this, which an accelerator's products need.
ALIGNMENT = 8
# Low enough that exp() of it vanishes next to any real score, and within the range of half precision.
MASKED_SCORE = -10000.0
# Widths of a head for which there are GPU kernels.
KERNEL_WIDTHS = (32, 64, 128)
# For a TPU's kernel: widths of a head, and the most frames whose scores fit the chip.
TPU_WIDTHS, LONGEST_ON_CHIP = (64, 128), 1024


def position_scores(query: Float[Array, "B T H K"], positions: Float[Array, "H K W"]) -> Float[Array, "B H T S"]:
    """Computes q_t . p_{t-s} for the S = R - T + 1 keys s, the last T of which are the frames of the queries.

    Args:
      query: q.
      positions: the projected positions p of R = W - 1 distances, in columns 1 to R; column 0 holds any finite value.

    Column r + 1 in row t is the score of key s = r - (T - 1) + t. In the flattened rows [T, W] its index is
    t W + r + 1 = T + R t + s. So after the first T elements, rows of length R hold the keys in order. Heads come first
    because the product returns them so; b and t share one axis, so that the gradients share one array.
    """
    b, t, h, _ = query.shape
    r = positions.shape[2] - 1
    rows = query.transpose(2, 0, 1, 3).reshape(h, b * t, positions.shape[1])
    scores = einsum("hnk,hkr->hnr", rows, positions)
    if isinstance(t, int):
        # Slicing one flat axis is fast; for a slice of rows, XLA would compute the index of every element.
        scores = jax.lax.slice_in_dim(scores.reshape(h, b, t * (r + 1)), t, None, axis=2)
    else:  # a symbolic size, of which the flattened axis cannot be sliced
        scores = jax.lax.slice_in_dim(scores.reshape(h, b, r + 1, t), 1, None, axis=2)
    return jax.lax.slice_in_dim(scores.reshape(h, b, t, r), 0, r - t + 1, axis=3).swapaxes(0, 1)


def split_positions(projected: Float[Array, "R D"], num_heads: int) -> Float[Array, "H K W"]:
    """Splits projected positions into heads, in the layout that `position_scores` expects."""
    heads = projected.reshape(projected.shape[0], num_heads, -1)
    return jnp.pad(heads.transpose(1, 2, 0), ((0, 0), (0, 0), (1, 0)))


def pad_pairs(mask: Bool[Array, "B #T S"], extra: int) -> Bool[Array, "B _ _"]:
    """Pads a mask of pairs, or one of keys for all queries, by masked frames."""
    return jnp.pad(mask, ((0, 0), (0, extra if mask.shape[1] > 1 else 0), (0, extra)))


def computed_after(x: Float[Array, "B T D"], positions: Float[Array, "R D"]) -> Float[Array, "R D"]:
    """Returns the positions, for XLA as a function of x: it cannot project those of all layers before the first one.

    XLA drops barriers before it orders the operations, and simplifies anything that cannot depend on x. So this shifts
    the positions where every row begins with NaN, and all results are NaN.
    """
    shift = jnp.isnan(x[:, 0, 0]).all().astype(jnp.int32)
    return jax.lax.dynamic_slice_in_dim(jnp.pad(positions, ((0, 1), (0, 0))), shift, positions.shape[0])


class Positional(NamedTuple):
    """The projected positions, and the biases of the queries for content and position."""

    keys: Float[Array, "H K W"]
    bias_u: Float[Array, "H K"]
    bias_v: Float[Array, "H K"]


def attention(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B S H K"],
    value: Float[Array, "B S H K"],
    mask: Bool[Array, "#B #T S"],
    positional: Positional | None,
    drawn: Any,
    *,
    rate: float,
    train: bool,
    extra: int = 0,
) -> Float[Array, "B T H K"]:
    """Computes y without the output projection, in zeros for a query without any key.

    Args:
      query, key, value: q, k, v.
      mask: True where a query may attend to a key.
      positional: what relative positions need; None for absolute ones.
      drawn: key of the dropout of the weights; None for no dropout.
      rate: of the dropout.
      train: whether gradients will be computed, for which the scores are better stored on a CPU.
      extra: frames of padding with which the products are faster.
    """
    num_frames = query.shape[1]
    if extra:
        query, key, value = (jnp.pad(x, ((0, 0), (0, extra), (0, 0), (0, 0))) for x in (query, key, value))
        mask = pad_pairs(mask, extra)
        if positional is not None:
            distances = jnp.pad(positional.keys, ((0, 0), (0, 0), (extra, extra)))
            positional = positional._replace(keys=distances)
    dtype = query.dtype
    masked = jnp.asarray(MASKED_SCORE, jnp.float32)
    if dtype != jnp.float32:
        # If these did not depend on the layer's input, a scan's forward pass would broadcast them to [B, H, T, S]
        # before its first layer, and read these arrays from memory in every layer.
        mask, masked, query = jax.lax.optimization_barrier((mask, masked, query))
    if positional is None:
        scores = einsum("bthk,bshk->bhts", query, key)
    else:
        by_content = einsum("bthk,bshk->bhts", query + positional.bias_u, key)
        scores = by_content + position_scores(query + positional.bias_v, positional.keys)
    if train:
        scores = materialize(scores)

    # The softmax's division follows the product with the values: T x K divisions instead of T x T.
    scores = jnp.where(mask[:, None], scores.astype(jnp.float32) / math.sqrt(query.shape[-1]), masked)
    weights = jnp.exp(scores - jax.lax.stop_gradient(scores.max(-1, keepdims=True))).astype(dtype)
    if dtype != jnp.float32:
        weights = jax.lax.optimization_barrier(weights)  # else the compiler would store them in float32
    totals = weights.sum(-1, keepdims=True, dtype=jnp.float32)
    if drawn is not None:
        weights = dropout(drawn, weights, rate=rate)
    context = einsum("bhts,bshk->bhtk", weights, value) / totals.astype(dtype)
    context = jnp.where(mask.any(-1)[:, None, :, None], context, jnp.zeros((), context.dtype))
    return context.swapaxes(1, 2)[:, :num_frames]


def attention_in_blocks(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B S H K"],
    value: Float[Array, "B S H K"],
    mask: Bool[Array, "#B #T S"],
    positional: Positional | None,
    drawn: None = None,
    *,
    most_scores: int,
) -> Float[Array, "B T H K"]:
    """Computes `attention` without dropout and gradients, for a block of queries at a time (see `nn.query_blocks`)."""
    b, t, h, _ = query.shape
    size = block_size(b, h, t, key.shape[1], most_scores=most_scores)
    if size == t:
        return attention(query, key, value, mask, positional, drawn, rate=0.0, train=False)
    extra = -t % size
    per_query = mask.shape[1] > 1
    if per_query:
        mask = jnp.pad(mask, ((0, 0), (0, extra), (0, 0)))
    if positional is not None:
        positional = positional._replace(keys=jnp.pad(positional.keys, ((0, 0), (0, 0), (extra, 0))))

    # In the layout of the products, once for all blocks; inside, both transpositions cancel out.
    keys, values = jax.lax.optimization_barrier((key.transpose(0, 2, 3, 1), value.swapaxes(1, 2)))

    def attend(query: Array, first: Array) -> Array:
        own, distances = mask, positional
        if per_query:
            own = jax.lax.dynamic_slice_in_dim(mask, first, size, axis=1)
        if positional is not None:
            # Of the distances T - 1, ..., 1 - T those from the last query to the first key, ..., and conversely.
            seen = jax.lax.dynamic_slice_in_dim(positional.keys, t + extra - first - size, t + size, axis=2)
            distances = positional._replace(keys=seen)
        key, value = keys.transpose(0, 3, 1, 2), values.swapaxes(1, 2)
        return attention(query, key, value, own, distances, None, rate=0.0, train=False)

    return in_query_blocks(attend, query, block=size)


class SelfAttention(nn.Module):
    """Self-attention over frames; with relative positions where `positions` are passed.

    Attributes:
      num_heads: H; the width D is split into heads of K = D / H.
      untied_biases: this layer has its own position biases u and v; if False, they are passed in.
      use_bias: biases on the query, key, value and output projections (the position projection never has one).
      dropout: of the attention weights.
      dtype: of the matrix products; the softmax is float32.
      inner_width: of queries, keys and values, which is split into heads instead of D; None: D.
      zero_output: the output projection starts at zero, as that of an adapter.
    """

    num_heads: int
    untied_biases: bool = True
    use_bias: bool = True
    dropout: float = 0.0
    dtype: Any = jnp.float32
    inner_width: int | None = None
    zero_output: bool = False

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B T D"],
        mask: Bool[Array, "#B #T S"],
        positions: Float[Array, "R D"] | None = None,
        biases: tuple[Float[Array, "H K"], Float[Array, "H K"]] | None = None,
        *,
        train: bool = False,
    ) -> Float[Array, "B T D"]:
        """Attends where `mask` (query, key) is True; the output of a query without any key is the output bias alone.

        For a recording that arrives in parts (see `jaxspeech.history`), the first S - T keys are earlier frames.
        """
        num_frames = x.shape[1]
        kernels = train and positions is not None and self._has_kernels(x)
        extra = self._frames_to_align(num_frames)
        if extra and not kernels:
            x, mask = jnp.pad(x, ((0, 0), (0, extra), (0, 0))), pad_pairs(mask, extra)
            positions = None if positions is None else jnp.pad(positions, ((extra, extra), (0, 0)))
        b, t, width = x.shape
        heads = (self.num_heads, self._head_width(width))

        if positions is not None and not train and self._in_blocks(x):
            positions = computed_after(x, positions)
        query, key, value = self._project(x, heads, apart=kernels)
        if in_parts(self):
            # Stored in the layout of the products, head first: there are many times more earlier frames than new ones.
            key, value = (
                with_history(self, name, x.swapaxes(1, 2), mask.shape[-1] - t, axis=2).swapaxes(1, 2)
                for name, x in (("keys", key), ("values", value))
            )
        positional = None
        if positions is not None:
            if self.untied_biases:
                zeros = nn.initializers.zeros_init()
                biases = (self.param("bias_u", zeros, heads), self.param("bias_v", zeros, heads))
            if biases is None:
                raise ConfigError("relative attention needs the biases u and v")
            positional = Positional(self._position_keys(positions), *(bias.astype(query.dtype) for bias in biases))
        drawn = Dropout(self.dropout, name="dropout").draw(train=train)
        arrays, options = (query, key, value, mask, positional, drawn), {"rate": self.dropout}
        portable = partial(attention, train=train, **options)
        if kernels:
            from jaxspeech.nn.kernel_attention import attention_by_kernels

            by_kernels = partial(attention_by_kernels, extra=extra, **options)
            portable = partial(portable, extra=extra)
            context = jax.lax.platform_dependent(*arrays, cuda=by_kernels, default=portable)
        elif train or not self._in_blocks(x):
            context = portable(*arrays)
        else:
            portable = partial(in_blocks_of_platform, attention_in_blocks, scores=(b, self.num_heads, t, t))
            context = self._by_platform(portable, x, *arrays)
        context = context[:, :num_frames].reshape(b, num_frames, heads[0] * heads[1])
        return self._out(width, heads[0] * heads[1])(context)

    def _out(self, width: int, inner: int) -> nn.Dense:
        if not self.zero_output:
            return dense(width, inner, name="out", dtype=self.dtype, use_bias=self.use_bias)
        return nn.Dense(width, self.use_bias, self.dtype, kernel_init=nn.initializers.zeros_init(), name="out")

    def _head_width(self, width: int) -> int:
        return (self.inner_width or width) // self.num_heads

    def _by_platform(self, portable: Callable[..., Array], x: Float[Array, "B T D"], *arrays: Any) -> Array:
        """Attends in inference: on a TPU, to recordings that fit the chip, by the kernel of `nn.tpu_attention`."""
        query, _, _, _, positional, _ = arrays
        long = not isinstance(x.shape[1], int) or x.shape[1] > LONGEST_ON_CHIP
        if positional is None or long or not self._has_kernels(x) or query.shape[-1] not in TPU_WIDTHS:
            return portable(*arrays)
        from jaxspeech.nn.tpu_attention import attention_on_tpu

        def on_tpu(*arrays: Any) -> Array:
            return attention_on_tpu(*arrays[:5])

        return jax.lax.platform_dependent(*arrays, tpu=on_tpu, default=portable)

    def _has_kernels(self, x: Float[Array, "B T D"]) -> bool:
        """Whether kernels of this package may compute this: in training, those of `nn.attention_kernels` on a GPU."""
        b, t, width = x.shape
        k = self._head_width(width)
        whole = isinstance(b, int) and isinstance(t, int) and not in_parts(self) and time_shards() == 1
        return gpu_kernels() and self.dtype == jnp.bfloat16 and whole and k in KERNEL_WIDTHS and rows_split(b) > 0

    def _in_blocks(self, x: Float[Array, "B T D"]) -> bool:
        """Whether inference computes the scores of so many frames block by block, on a CPU at least."""
        b, t, _ = x.shape
        whole = not in_parts(self) and time_shards() == 1
        return whole and block_size(b, self.num_heads, t, t) != t

    def _frames_to_align(self, num_frames: Size) -> int:
        """Returns how many frames of padding make the products of whole recordings in half precision faster."""
        whole = isinstance(num_frames, int) and not in_parts(self) and time_shards() == 1
        return -num_frames % ALIGNMENT if whole and self.dtype != jnp.float32 else 0

    def _position_keys(self, positions: Float[Array, "R D"]) -> Float[Array, "H K W"]:
        """Returns the projected positions, from the collection "positions" where it covers or can store them."""
        size, width = positions.shape

        def project() -> Float[Array, "H K W"]:
            inner = self.num_heads * self._head_width(width)
            projection = dense(inner, width, name="position", dtype=self.dtype, use_bias=False)
            return split_positions(projection(positions), self.num_heads)

        if in_parts(self):
            return self.variable(POSITIONS, "keys", project).value
        kept = self.get_variable(POSITIONS, "keys")
        if kept is None or (unused := kept.shape[2] - 1 - size) < 0:
            return project()
        # The stored positions reach further, by as much on either side.
        return jax.lax.slice_in_dim(kept, unused // 2, unused // 2 + size + 1, axis=2)

    def _project(
        self, x: Float[Array, "B T D"], heads: tuple[int, int], *, apart: bool
    ) -> tuple[Float[Array, "B T H K"], ...]:
        """Projects frames to query, key and value; `apart`: XLA does not make one product of the three."""
        b, t, width = x.shape
        projections = (
            dense(heads[0] * heads[1], width, name=name, dtype=self.dtype, use_bias=self.use_bias)
            for name in ("query", "key", "value")
        )
        inputs = (separate(x, i) if apart else x for i in range(3))
        query, key, value = (project(x).reshape(b, t, *heads) for project, x in zip(projections, inputs, strict=True))
        return query, key, value
