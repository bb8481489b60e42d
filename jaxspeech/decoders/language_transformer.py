"""A Transformer language model: the layers of the attention decoder, without an encoder to attend to.

x = norm(E[ids] + P[positions])
x += SelfAttention(norm x);  x += FF(norm x)                         l = 1 .. L
logits = norm(x) E^T + b

A token attends to itself and to at most `context` - 1 tokens before it. So a search keeps the keys and values of
`context` tokens for each hypothesis, however long its text becomes: the newest replaces the oldest.
"""

import math
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.decoders.attention_layers import ACTIVATIONS, CausalLayer
from jaxspeech.decoders.token_table import TokenTable
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.key_value_attention import KeysValues
from jaxspeech.nn.normalization import LayerNorm
from jaxspeech.nn.positions import sinusoids
from jaxspeech.types import Size


class TokensSoFar(NamedTuple):
    """The last tokens of each row, B leading in every leaf, so that a search selects hypotheses by indexing.

    Attributes:
      layers: of each layer keys and values [B H S K], S = `context`; token n is at n mod S.
      count: number of tokens so far.
    """

    layers: tuple[KeysValues, ...]
    count: Int[Array, " B"]


class LanguageTransformer(nn.Module):
    """A Transformer over tokens.

    Attributes:
      vocab_size: V.
      width, num_layers, num_heads: D, L, H.
      hidden_width: of the feed-forward branches.
      context: S, the tokens that a token attends to, itself included.
      activation: of the feed-forward branches, "relu" or "gelu".
      dropout, dropout_att, dropout_emb: of the branches, the attention weights, the embeddings.
      dtype: of the matrix products.
    """

    vocab_size: int
    width: int = 512
    num_layers: int = 6
    num_heads: int = 8
    hidden_width: int = 2048
    context: int = 256
    activation: Literal["relu", "gelu"] = "gelu"
    dropout: float = 0.1
    dropout_att: float = 0.1
    dropout_emb: float = 0.1
    dtype: Any = jnp.float32

    def setup(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise ConfigError(f"decoder.activation {self.activation!r}{did_you_mean(self.activation, ACTIVATIONS)}")
        if self.width % self.num_heads or self.width % 2:
            raise ConfigError(f"decoder.width {self.width} is odd, or not divisible by num_heads, {self.num_heads}")
        if self.context < 1:
            raise ConfigError(f"decoder.context is {self.context}; it must be at least 1")
        self.tokens = TokenTable(self.vocab_size, self.width, self.dtype)
        self.norm_in = LayerNorm(dtype=self.dtype)
        self.drop = Dropout(self.dropout_emb)
        self.layers = [
            CausalLayer(
                self.width,
                self.num_heads,
                self.hidden_width,
                activation=self.activation,
                dropout=self.dropout,
                dropout_att=self.dropout_att,
                dtype=self.dtype,
            )
            for _ in range(self.num_layers)
        ]
        self.norm_out = LayerNorm(dtype=self.dtype)

    def __call__(self, ids: Int[Any, "B N"], *, train: bool = False) -> Float[Array, "B N D"]:
        """Computes the states after each token, from which `logits` gives the scores of the next one."""
        places = jnp.arange(ids.shape[1])
        distance = places[:, None] - places
        seen = ((distance >= 0) & (distance < self.context))[None]
        x = self._embed(ids, places[None], train=train)
        for layer in self.layers:
            x = layer(x, lambda new: (new, seen), train=train)
        return self.norm_out(x)

    def logits(self, states: Float[Array, "*rows D"]) -> Float[Array, "*rows W"]:
        """Computes the scores of the next token; the last of the W = V + 1 is that of the end."""
        return self.tokens.logits(states)

    def initial_state(self, batch: Size) -> TokensSoFar:
        """Returns the state before the first token."""
        shape = (batch, self.num_heads, self.context, self.width // self.num_heads)
        empty = KeysValues(jnp.zeros(shape, self.dtype), jnp.zeros(shape, self.dtype))
        return TokensSoFar((empty,) * self.num_layers, jnp.zeros(batch, jnp.int32))

    def step(self, ids: Int[Array, " B"], state: TokensSoFar) -> tuple[Float[Array, "B W"], TokensSoFar]:
        """Adds a token to each row; returns the logits of the next one, and the state with it."""
        count, row, kept = state.count, jnp.arange(len(ids)), list[KeysValues]()
        place = count % self.context
        # While there are fewer tokens than places, those after the newest one are empty.
        seen: Bool[Array, "B 1 S"] = (jnp.arange(self.context) <= count[:, None])[:, None]

        def placed(old: Array, new: Array) -> Array:
            return old.at[row, :, place].set(new[:, :, 0])

        x = self._embed(ids[:, None], count[:, None], train=False)
        for layer, old in zip(self.layers, state.layers, strict=True):

            def own(new: KeysValues, old: KeysValues = old) -> tuple[KeysValues, Bool[Array, "B 1 S"]]:
                kept.append(jax.tree.map(placed, old, new))
                return kept[-1], seen

            x = layer(x, own)
        return self.logits(self.norm_out(x[:, 0])), TokensSoFar(tuple(kept), count + 1)

    def _embed(self, ids: Int[Any, "B N"], places: Int[Array, "#B N"], *, train: bool) -> Float[Array, "B N D"]:
        positions = sinusoids(places.reshape(-1).astype(jnp.float32), self.width) / math.sqrt(self.width)
        x = self.tokens(ids) + positions.reshape(*places.shape, self.width)
        return self.drop(self.norm_in(x), train=train)
