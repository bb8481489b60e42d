"""The decoder-only Transformer of Qwen 2, 2.5 and 3, Llama 2 and 3, and SmolLM 2 (Touvron et al., 2023).

x = E[ids]                                                E [V D]
x = Layer_l(x)                                            l = 1 .. L: grouped attention, gated feed-forward
logits = norm(x) E^T, or norm(x) W                        a tied head, or one of its own

The same layers run on whole texts in training, and on a few tokens after those of a cache in generation. Inputs are
embeddings, so that frames of audio can stand between those of tokens.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.causal_layer import CausalLayer
from jaxspeech.decoders.embedding import Embedding
from jaxspeech.decoders.key_value_cache import Cache
from jaxspeech.errors import ConfigError
from jaxspeech.gathering import GATHERED, layer_gather
from jaxspeech.masks import zero_padding
from jaxspeech.nn.key_value_attention import KeysValues
from jaxspeech.nn.low_rank import LoraOptions, Projection
from jaxspeech.nn.rms_norm import RMSNorm
from jaxspeech.nn.rotary import Rope, rotation
from jaxspeech.types import Size

PROJECTIONS = ("query", "key", "value", "out", "gate", "up", "down")
MODULE_FIELDS = ("parent", "name")


class CausalTransformer(nn.Module):
    """A decoder-only Transformer.

    Attributes:
      vocab_size: V, the rows of the table, of which there can be more than tokens.
      width, num_layers, num_heads: D, L, H.
      num_groups: G, the heads of keys and values, each of which H / G query heads share; None: H.
      head_width: K; None: D / H.
      hidden_width: of the feed-forward branches.
      rope: the rotary positions.
      norm_epsilon: added to the mean square in every norm.
      query_key_norm: norms of queries and keys, as in Qwen3.
      biases: of the projections to queries, keys and values, as in Qwen2.
      tied: the table is also the output layer; False: that has a matrix of its own.
      lora: low-rank changes beside the matrices; see `nn.low_rank`.
      int8: all matrices are of 8-bit integers (`nn.int8`), as `forms.int8` makes them.
      remat: recompute each layer's activations in the backward pass instead of storing them.
      scan_layers: True traces one layer and stacks the parameters on a leading axis of L ("layers"), which compiles in
        the time of one layer; False keeps them separate ("layers_0", ...), which is faster in generation.
      dtype: of the matrix products; softmax and norms are float32.
    """

    vocab_size: int
    width: int
    num_layers: int
    num_heads: int
    hidden_width: int
    num_groups: int | None = None
    head_width: int | None = None
    rope: Rope = Rope()
    norm_epsilon: float = 1e-6
    query_key_norm: bool = False
    biases: bool = False
    tied: bool = True
    lora: LoraOptions = LoraOptions()
    int8: bool = False
    remat: bool = False
    scan_layers: bool = True
    dtype: Any = jnp.float32

    @property
    def groups(self) -> int:
        """G."""
        return self.num_groups or self.num_heads

    @property
    def channels(self) -> int:
        """K."""
        return self.head_width or self.width // self.num_heads

    @property
    def output_dim(self) -> int:
        """Width of the states."""
        return self.width

    def setup(self) -> None:
        self._check()
        fields: dict[str, Any] = {
            name: getattr(self, name) for name in CausalLayer.__dataclass_fields__ if name not in MODULE_FIELDS
        }
        fields |= {"num_groups": self.groups, "head_width": self.channels}
        self.embedding = Embedding(self.vocab_size, self.width, self.int8, self.dtype)
        self.layers: Any
        if self.scan_layers:
            self.layers = CausalLayer(**fields)
        else:
            self.layers = [CausalLayer(**fields) for _ in range(self.num_layers)]
        self.norm = RMSNorm(epsilon=self.norm_epsilon, dtype=self.dtype)
        if not self.tied:
            self.head = Projection(self.vocab_size, int8=self.int8, dtype=self.dtype)

    def embed(self, ids: Int[Any, "*rows"]) -> Float[Array, "*rows D"]:
        """Embeds tokens; an id outside the table, in the place of audio or in padding, gets any of its rows."""
        return self.embedding(ids)

    def __call__(self, x: Float[Any, "B N D"], num: Int[Any, " B"], *, train: bool = False) -> Float[Array, "B N D"]:
        """Computes the states after each token, from which `logits` gives the scores of the next one.

        Args:
          x: embeddings, on the right of which padding may hold anything.
          num: tokens of each row; they have the positions 0, 1, ...
          train: whether LoRA's dropout is drawn.
        """
        x = zero_padding(jnp.asarray(x).astype(self.dtype), jnp.asarray(num))
        places = jnp.arange(x.shape[1])
        turn, seen = rotation(self.rope, self.channels, places[None]), (places <= places[:, None])[None]

        def body(layer: Any, x: Array, _: None) -> tuple[Array, None]:
            return layer(x, turn, seen, None, None, train)[0], None

        gather = None
        if self.scan_layers and not self.is_initializing():
            gather = layer_gather((*self.path, "layers"))
        if gather is not None:
            body = nn.map_variables(body, "params", trans_in_fn=gather)
        kept = self._rematerialised(body, gathered=gather is not None) if train else body
        if self.scan_layers:
            rngs: Any = {"params": True, "dropout": True}
            x, _ = nn.scan(kept, variable_axes={"params": 0}, split_rngs=rngs, length=self.num_layers)(
                self.layers, x, None
            )
        else:
            for layer in self.layers:
                x, _ = kept(layer, x, None)
        return self.norm(x)

    def logits(self, states: Float[Array, "*rows D"]) -> Float[Array, "*rows V"]:
        """Computes the scores of the next token."""
        return self.embedding.logits(states) if self.tied else self.head(states)

    def initial_cache(self, batch: Size, most_tokens: Size) -> Cache:
        """Returns the cache before the first token, with room for `most_tokens` of each row."""
        shape = (batch, self.groups, most_tokens, self.channels)
        empty = KeysValues(jnp.zeros(shape, self.dtype), jnp.zeros(shape, self.dtype))
        return Cache((empty,) * self.num_layers, jnp.zeros(batch, jnp.int32))

    def extend(self, x: Float[Any, "B N D"], num: Int[Any, " B"], cache: Cache) -> tuple[Float[Array, "B N D"], Cache]:
        """Adds tokens to each row, after those that it has: a prompt, in one or several parts, or the next token.

        Args:
          x: embeddings, on the right of which padding may hold anything.
          num: how many of the N a row gets; it must have room for them.
          cache: the tokens so far.

        Returns:
          The states after each of the new tokens, and the cache with them.
        """
        num = jnp.asarray(num)
        x = zero_padding(jnp.asarray(x).astype(self.dtype), num)
        size, room = jnp.arange(x.shape[1]), cache.layers[0].keys.shape[2]
        positions = cache.count[:, None] + size
        turn = rotation(self.rope, self.channels, positions)
        seen = jnp.arange(room) <= positions[..., None]
        # Padding is put outside of the cache, each at a place of its own: that is, nowhere.
        places = jnp.where(size < num[:, None], positions, room + size)
        kept: list[KeysValues] = []
        for i, past in enumerate(cache.layers):
            x, attended = self._apply(i, x, turn, seen, past, places)
            kept.append(attended)
        return self.norm(x), Cache(tuple(kept), cache.count + num)

    def step(self, ids: Int[Any, " B"], cache: Cache) -> tuple[Float[Array, "B V"], Cache]:
        """Adds a token to each row; returns the logits of the next one, and the cache with it."""
        ids = jnp.asarray(ids)
        states, cache = self.extend(self.embed(ids[:, None]), jnp.ones(ids.shape, jnp.int32), cache)
        return self.logits(states[:, 0]), cache

    def _apply(self, i: int, *inputs: Any) -> Any:
        """Applies layer i in inference."""
        if not self.scan_layers:
            return self.layers[i](*inputs)
        layer: Any = self.layers.clone(parent=None, name=None)
        return layer.apply({"params": jax.tree.map(lambda x: x[i], self.layers.variables["params"])}, *inputs)

    def _rematerialised(self, body: Any, *, gathered: bool) -> Any:
        """Wraps a layer so that the backward pass recomputes it, or at least does not store its gathered weights."""
        prevent_cse = not self.scan_layers
        if self.remat:
            return nn.remat(body, prevent_cse=prevent_cse)
        policy = jax.checkpoint_policies.save_anything_except_these_names(GATHERED)
        return nn.remat(body, prevent_cse=prevent_cse, policy=policy) if gathered else body

    def _check(self) -> None:
        if self.width % self.num_heads and self.head_width is None:
            raise ConfigError(
                f"decoder.width {self.width} is not divisible by num_heads, {self.num_heads}; give a head_width"
            )
        if self.num_heads % self.groups:
            raise ConfigError(f"decoder.num_heads {self.num_heads} is not divisible by num_groups, {self.groups}")
        unknown = [name for name in self.lora.targets if name not in PROJECTIONS]
        if unknown:
            raise ConfigError(f"decoder.lora.targets: there is no {unknown[0]!r}, only {', '.join(PROJECTIONS)}")
