"""Layers of the Transformer decoder and of the encoder before it, with norms before or after the branches.

x += branch(norm x)           norms before the branches (Xiong et al., 2020)
x = norm(x + branch x)        norms after them (Vaswani et al., 2017)
"""

from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.key_value_attention import KeysValues, KeyValueAttention
from jaxspeech.nn.normalization import LayerNorm
from jaxspeech.nn.products import dot_general

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": jax.nn.relu,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
}


class Branches(nn.Module):
    """What the layers of encoder and decoder share: the order of norms and branches, and the feed-forward branch.

    Attributes:
      width: D.
      num_heads: H.
      hidden_width: of the feed-forward branch.
      activation: "relu" or "gelu".
      norm_first: norms before the branches.
      dropout: of the branches.
      dropout_att: of the attention weights.
      dtype: of the matrix products.
    """

    width: int
    num_heads: int
    hidden_width: int
    activation: Literal["relu", "gelu"] = "relu"
    norm_first: bool = True
    dropout: float = 0.1
    dropout_att: float = 0.1
    dtype: Any = jnp.float32

    def setup(self) -> None:
        self.norm_self, self.norm_ff = self._norm("norm_self"), self._norm("norm_ff")
        self.self_attention = self._attention("self_attention")
        self.up, self.down = self._dense(self.hidden_width, "up"), self._dense(self.width, "down")
        self.drop = Dropout(self.dropout)

    def add(self, x: Array, norm: LayerNorm, branch: Callable[[Array], Array], *, train: bool) -> Array:
        """Adds a branch to x."""
        if self.norm_first:
            return x + self.drop(branch(norm(x)), train=train)
        return norm(x + self.drop(branch(x), train=train))

    def feed_forward(self, x: Array) -> Array:
        return self.down(ACTIVATIONS[self.activation](self.up(x)))

    def _norm(self, name: str) -> LayerNorm:
        return LayerNorm(dtype=self.dtype, name=name)

    def _attention(self, name: str) -> KeyValueAttention:
        return KeyValueAttention(self.width, self.num_heads, self.dropout_att, self.dtype, name=name)

    def _dense(self, features: int, name: str) -> nn.Dense:
        init = nn.initializers.xavier_uniform()
        return nn.Dense(features, dtype=self.dtype, kernel_init=init, dot_general=dot_general, name=name)


class EncoderLayer(Branches):
    """x += SelfAttention(x);  x += FF(x)."""

    def __call__(
        self, x: Float[Array, "B T D"], mask: Bool[Array, "B #T T"], *, train: bool = False
    ) -> Float[Array, "B T D"]:
        def attend(x: Array) -> Array:
            attended = self.self_attention.keys_values(x)
            if not train and mask.shape[1] == 1:
                return self.self_attention.to_frames(x, attended, mask)
            return self.self_attention(x, attended, mask, train=train)

        x = self.add(x, self.norm_self, attend, train=train)
        return self.add(x, self.norm_ff, self.feed_forward, train=train)


class CausalLayer(Branches):
    """x += SelfAttention(x);  x += FF(x), over the tokens so far."""

    def __call__(
        self,
        x: Float[Array, "B N D"],
        own: Callable[[KeysValues], tuple[KeysValues, Bool[Array, "#B N S"]]],
        *,
        train: bool = False,
    ) -> Float[Array, "B N D"]:
        """Runs the layer on N tokens of each row.

        Args:
          x: the tokens.
          own: the keys and values of these tokens, [B H N K] -> those of all tokens that they attend to, and where
            they do.
        """

        def attend(x: Array) -> Array:
            return self.self_attention(x, *own(self.self_attention.keys_values(x)), train=train)

        x = self.add(x, self.norm_self, attend, train=train)
        return self.add(x, self.norm_ff, self.feed_forward, train=train)


class DecoderLayer(Branches):
    """x += SelfAttention(x);  x += CrossAttention(x, encoder);  x += FF(x)."""

    def setup(self) -> None:
        super().setup()
        self.norm_cross, self.cross_attention = self._norm("norm_cross"), self._attention("cross_attention")

    def cross(self, memory: Float[Array, "B T D"]) -> KeysValues:
        """Projects the encoder's frames, once for all tokens."""
        return self.cross_attention.keys_values(memory)

    def __call__(
        self,
        x: Float[Array, "B L N D"],
        memory: KeysValues,
        memory_mask: Bool[Array, "B 1 T"],
        own: Callable[[KeysValues], tuple[KeysValues, Bool[Array, "#B LN S"]]],
        *,
        watch: Callable[[Float[Array, "B L H N T"]], None] | None = None,
        train: bool = False,
    ) -> Float[Array, "B L N D"]:
        """Runs the layer on N tokens of each of L hypotheses of each row; in training L is 1.

        Args:
          x: the tokens.
          memory, memory_mask: the encoder's frames, of which the hypotheses of a row share one copy.
          own: the keys and values of these tokens, [B H LN K] -> those of all tokens that they attend to, and where
            they do.
          watch: is called with the weights of the encoder's frames.
        """

        def attend(x: Array) -> Array:
            tokens = x.reshape(x.shape[0], -1, self.width)
            attended = own(self.self_attention.keys_values(tokens))
            return self.self_attention(tokens, *attended, train=train).reshape(x.shape)

        def attend_to_memory(x: Array) -> Array:
            tokens = x.reshape(x.shape[0], -1, self.width)
            weights = self.cross_attention.weights(tokens, memory, memory_mask)
            if watch is not None:
                watch(weights.reshape(*weights.shape[:2], *x.shape[1:3], -1).swapaxes(1, 2))
            return self.cross_attention.mix(weights, memory, train=train).reshape(x.shape)

        x = self.add(x, self.norm_self, attend, train=train)
        x = self.add(x, self.norm_cross, attend_to_memory, train=train)
        return self.add(x, self.norm_ff, self.feed_forward, train=train)
