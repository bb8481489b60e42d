"""Multi-head self-attention from each frame to a window around it and to a few global frames.

y = W_out local_attention(W_q x, W_k x, W_v x),    at the global frames  y = W_out global_attention(...)
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxspeech.errors import ConfigError
from jaxspeech.nn.initializers import dense
from jaxspeech.nn.local_attention import GlobalFrames, global_attention, local_attention


class LocalSelfAttention(nn.Module):
    """Local self-attention with relative positions; without global frames it equals a masked `SelfAttention`.

    Attributes:
      num_heads, untied_biases, use_bias, dropout, dtype: as in `nn.attention.SelfAttention`.
      context: frames that a query attends to on the left and on the right of its chunk.
      chunk: frames of a chunk; 1 for a window around the query itself.
      global_frames, global_spacing: number of global frames, starting with the first frame, and their distance.
      global_projections: separate query, key and value projections for attention from and to global frames.
    """

    num_heads: int
    context: tuple[int, int]
    chunk: int = 1
    global_frames: int = 0
    global_spacing: int = 1
    global_projections: bool = False
    untied_biases: bool = True
    use_bias: bool = True
    dropout: float = 0.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B T D"],
        mask: Bool[Array, "B T"],
        positions: Float[Array, "R D"] | None = None,
        biases: tuple[Float[Array, "H K"], Float[Array, "H K"]] | None = None,
        *,
        train: bool = False,
    ) -> Float[Array, "B T D"]:
        """Attends among the frames where `mask` is True; the output for other frames is the output bias alone."""
        b, t, width = x.shape
        heads = (self.num_heads, width // self.num_heads)

        def project(name: str) -> Float[Array, "B T H K"]:
            return dense(width, width, name=name, dtype=self.dtype, use_bias=self.use_bias)(x).reshape(b, t, *heads)

        def dropout_key() -> Any:
            return self.make_rng("dropout") if train and self.dropout > 0 else None

        query, key, value = project("query"), project("key"), project("value")
        if self.untied_biases:
            zeros = nn.initializers.zeros_init()
            biases = (self.param("bias_u", zeros, heads), self.param("bias_v", zeros, heads))
        if positions is None or biases is None:
            raise ConfigError("local attention needs relative positions and the biases u and v")
        position = dense(width, width, name="position", dtype=self.dtype, use_bias=False)(positions)
        left, right = self.context
        inputs = query, key, value, position.reshape(-1, *heads), biases, mask

        if not self.global_frames:
            context = local_attention(
                *inputs, left=left, right=right, chunk=self.chunk, dropout_rate=self.dropout, dropout_key=dropout_key()
            )
        else:
            far_query, far_key, far_value = query, key, value
            if self.global_projections:
                far_query, far_key, far_value = (project(f"global_{name}") for name in ("query", "key", "value"))
            chosen = jnp.arange(0, t, self.global_spacing)[: self.global_frames]
            context = local_attention(
                *inputs,
                left=left,
                right=right,
                chunk=self.chunk,
                global_frames=GlobalFrames(far_query, far_key[:, chosen], value[:, chosen], mask[:, chosen]),
                dropout_rate=self.dropout,
                dropout_key=dropout_key(),
            )
            everywhere = global_attention(
                far_query[:, chosen],
                far_key,
                far_value,
                mask,
                dropout_rate=self.dropout,
                dropout_key=dropout_key(),
            )
            real = mask[:, chosen, None, None]
            context = context.at[:, chosen].set(jnp.where(real, everywhere, jnp.zeros((), context.dtype)))
        return dense(width, width, name="out", dtype=self.dtype, use_bias=self.use_bias)(context.reshape(b, t, width))
