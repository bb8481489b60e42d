"""Causal self-attention whose queries share keys and values in groups (Ainslie et al., 2023), with rotary positions.

q_h = R_p norm(W_q x)_h,   k_g = R_p norm(W_k x)_g,   v_g = (W_v x)_g          H heads h, G groups g = h // (H / G)
y_t = W_out  sum_s softmax_s(q_h,t . k_g,s / sqrt(K)) v_g,s                     s <= t

The norms (over the K channels of a head, before the rotation) are those of Qwen3; other families have none.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.nn.key_value_attention import KeysValues
from jaxspeech.nn.low_rank import LoraOptions, Projection
from jaxspeech.nn.materialize import separate
from jaxspeech.nn.products import dot_general
from jaxspeech.nn.query_blocks import block_size, in_blocks_of_platform, in_query_blocks
from jaxspeech.nn.rms_norm import RMSNorm
from jaxspeech.nn.rotary import Rotation, rotated

# Of a key that may not be seen: exp() of it vanishes next to any score, and it is in the range of half precision.
MASKED_SCORE = -30000.0


class GroupedAttention(nn.Module):
    """Attention to the tokens so far.

    Attributes:
      width: D, of the input and the output.
      num_heads, num_groups, head_width: H, G, K; H K need not be D.
      norm_epsilon: of the norms of queries and keys; None: there are none.
      biases: of the projections to queries, keys and values.
      lora: beside the projections "query", "key", "value" and "out".
      int8: of the projections.
      dtype: of the products; the softmax is float32.
    """

    width: int
    num_heads: int
    num_groups: int
    head_width: int
    norm_epsilon: float | None = None
    biases: bool = False
    lora: LoraOptions = LoraOptions()
    int8: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B N D"],
        turn: Rotation,
        seen: Bool[Array, "#B N S"],
        past: KeysValues | None = None,
        places: Int[Array, "B N"] | None = None,
        *,
        train: bool = False,
    ) -> tuple[Float[Array, "B N D"], KeysValues]:
        """Attends to the given tokens, or to those of a cache with these.

        Args:
          x: the tokens' states.
          turn: the rotation at their positions.
          seen: which keys each token attends to.
          past: keys and values [B G S K] of a cache; None: S = N, the keys are those of x.
          places: where in the cache the tokens' own are put; one outside it is not stored.
          train: whether LoRA's dropout is drawn.

        Returns:
          y, and the keys and values that were attended to.
        """
        heads = {"query": self.num_heads, "key": self.num_groups, "value": self.num_groups}
        options: dict[str, Any] = {"lora": self.lora, "int8": self.int8, "dtype": self.dtype}

        def project(number: int, name: str) -> Float[Array, "B N _ K"]:
            projection = Projection(heads[name] * self.head_width, use_bias=self.biases, **options, name=name)
            # Made one product of, the three matrices would be joined for every token that is generated.
            y = projection(separate(x, number), train=train)
            return y.reshape(*x.shape[:2], heads[name], self.head_width)

        query, key, value = (project(*of) for of in enumerate(heads))
        if self.norm_epsilon is not None:
            query = RMSNorm(epsilon=self.norm_epsilon, dtype=self.dtype, name="query_norm")(query)
            key = RMSNorm(epsilon=self.norm_epsilon, dtype=self.dtype, name="key_norm")(key)
        own = KeysValues(rotated(key, turn).swapaxes(1, 2), value.swapaxes(1, 2))
        attended = own if past is None or places is None else stored(past, own, places)
        query = rotated(query, turn)
        if train or x.shape[1] == 1:
            y = attend(query, attended, seen)
        else:
            scores = x.shape[0], self.num_heads, x.shape[1], attended.keys.shape[2]
            y = in_blocks_of_platform(attend_in_blocks, query, attended, seen, scores=scores)
        return Projection(self.width, **options, name="out")(y, train=train), attended


def stored(past: KeysValues, own: KeysValues, places: Int[Array, "B N"]) -> KeysValues:
    """Puts new keys and values [B G N K] at their places in a cache [B G S K]; drops those outside of it."""
    # An index for the groups too: what has one index alone XLA:CPU writes by copying the cache.
    row, group = jnp.arange(len(places))[:, None, None], jnp.arange(past.keys.shape[1])

    def put(old: Array, new: Array) -> Array:
        new = new.swapaxes(1, 2).astype(old.dtype)
        return old.at[row, group, places[..., None]].set(new, mode="drop", unique_indices=True)

    return jax.tree.map(put, past, own)


def attend(
    query: Float[Array, "B N H K"], attended: KeysValues, seen: Bool[Array, "#B N S"]
) -> Float[Array, "B N H*K"]:
    """Computes y before the output projection; the softmax is float32."""
    b, n, h, k = query.shape
    groups = attended.keys.shape[1]
    # Heads before tokens: then the products' own layout is that of the scores, and nothing large is transposed.
    split = (query / math.sqrt(k)).reshape(b, n, groups, h // groups, k).transpose(0, 2, 3, 1, 4)
    scores = dot_general(split, attended.keys, (((4,), (3,)), ((0, 1), (0, 1)))).astype(jnp.float32)
    weights = jax.nn.softmax(jnp.where(seen[:, None, None], scores, MASKED_SCORE), axis=-1).astype(query.dtype)
    sums = dot_general(weights, attended.values, (((4,), (2,)), ((0, 1), (0, 1))))
    return sums.transpose(0, 3, 1, 2, 4).reshape(b, n, h * k)


def attend_in_blocks(
    query: Float[Array, "B N H K"], attended: KeysValues, seen: Bool[Array, "#B N S"], *, most_scores: int
) -> Float[Array, "B N H*K"]:
    """Computes `attend` for a block of queries at a time (see `nn.query_blocks`): for long prompts."""
    b, n, h, _ = query.shape
    size = block_size(b, h, n, attended.keys.shape[2], most_scores=most_scores)
    if size == n:
        return attend(query, attended, seen)
    seen = jnp.pad(seen, ((0, 0), (0, -n % size), (0, 0)))

    def of_block(query: Array, first: Array) -> Array:
        return attend(query, attended, jax.lax.dynamic_slice_in_dim(seen, first, size, axis=1))

    return in_query_blocks(of_block, query, block=size)
