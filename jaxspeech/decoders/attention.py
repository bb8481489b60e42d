"""The Transformer decoder of attention-based recognition and translation (Vaswani et al., 2017).

m = Encoder(encoded W_in + b_in)                             the encoder's frames, with L' further layers
x = norm(E[ids] + P[positions])                              E [V D] is also the output layer
x = Layer_l(x, m)                                            l = 1 .. L: self-attention, cross-attention, feed-forward
logits = norm(x) E^T + b

The same layers run on whole transcripts in training and on one token after another in a search. Then the keys and
values of the encoder's frames are computed once, and those of earlier tokens are kept.

Where a token was said shows in the weights with which the decoder, when it predicts the token, attends to the
encoder's frames: both ways of running give them for chosen layers.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.decoders.attention_layers import ACTIVATIONS, DecoderLayer, EncoderLayer
from jaxspeech.decoders.watched import Watch, Watched
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.masks import length_mask
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.key_value_attention import KeysValues
from jaxspeech.nn.normalization import LayerNorm
from jaxspeech.nn.positions import sinusoids
from jaxspeech.nn.products import dot_general
from jaxspeech.types import Size

# NeMo makes the number of outputs a multiple of this; the additional ones stand for no token. A GPU's products in half
# precision need it of all sizes.
ALIGNMENT = 8


class Memory(NamedTuple):
    """What the decoder attends to: for each layer keys and values of the encoder's frames; which of them are real."""

    layers: tuple[KeysValues, ...]
    mask: Bool[Array, "B 1 T"]


class Past(NamedTuple):
    """The tokens so far of L hypotheses of each row, with room for S tokens.

    A hypothesis that continues another one reads the other's earlier keys and values where they are: a search that
    selects hypotheses copies none.

    Attributes:
      layers: for each layer keys and values, [B H S L K]: at each place those of the L hypotheses of that time.
      slots: which of the L a hypothesis has at each place.
      first: place of the row's first token: prompts end at the same place, and begin at different ones.
      count: places that are taken.
    """

    layers: tuple[KeysValues, ...]
    slots: Int[Array, "B L S"]
    first: Int[Array, " B"]
    count: Int[Array, ""]


class AttentionDecoder(nn.Module):
    """A Transformer decoder over tokens, with cross-attention to the encoder's frames.

    Attributes:
      vocab_size: V.
      end_id: the token that ends a text.
      width, num_layers, num_heads: D, L, H.
      hidden_width: of the feed-forward branches.
      max_length: the most tokens of prompt and text together, which have positions.
      positions: "sinusoids", divided by sqrt(D), or "learnt".
      token_types: rows of a table of types, which files of NeMo may have and no result depends on; 0: no table.
      activation: of the feed-forward branches, "relu" or "gelu".
      norm_first: norms before the branches; False: after them.
      norm_last: a norm before the output layer; only with `norm_first`.
      encoder_layers, encoder_heads, encoder_hidden_width: L', and the sizes of these layers.
      encoder_activation, encoder_norm_first, encoder_norm_last: of these layers; None: as in the decoder's.
      dropout, dropout_att, dropout_emb: of the branches, the attention weights, the embeddings.
      dtype: of the matrix products.
    """

    vocab_size: int
    end_id: int = 0
    width: int = 1024
    num_layers: int = 4
    num_heads: int = 8
    hidden_width: int = 4096
    max_length: int = 1024
    positions: Literal["sinusoids", "learnt"] = "sinusoids"
    token_types: int = 0
    activation: Literal["relu", "gelu"] = "relu"
    norm_first: bool = True
    norm_last: bool = True
    encoder_layers: int = 0
    encoder_heads: int = 8
    encoder_hidden_width: int = 4096
    encoder_activation: Literal["relu", "gelu"] | None = None
    encoder_norm_first: bool | None = None
    encoder_norm_last: bool | None = None
    dropout: float = 0.1
    dropout_att: float = 0.1
    dropout_emb: float = 0.1
    dtype: Any = jnp.float32

    @property
    def num_outputs(self) -> int:
        """Rows of the table of tokens, a multiple of `ALIGNMENT`."""
        return -(-self.vocab_size // ALIGNMENT) * ALIGNMENT

    @property
    def encoder_style(self) -> tuple[Literal["relu", "gelu"], bool, bool]:
        """The activation, `norm_first` and `norm_last` of the layers between the encoder and the decoder."""
        first, last = self.encoder_norm_first, self.encoder_norm_last
        return (
            self.encoder_activation or self.activation,
            self.norm_first if first is None else first,
            self.norm_last if last is None else last,
        )

    def setup(self) -> None:
        activation, _, _ = self.encoder_style
        for field, value, choices in (
            ("positions", self.positions, ("sinusoids", "learnt")),
            ("activation", self.activation, tuple(ACTIVATIONS)),
            ("encoder_activation", activation, tuple(ACTIVATIONS)),
        ):
            if value not in choices:
                raise ConfigError(f"decoder.{field} {value!r}{did_you_mean(value, choices)}")
        if self.width % self.num_heads:
            raise ConfigError(f"decoder.width {self.width} is not divisible by decoder.num_heads, {self.num_heads}")
        init = nn.initializers.normal(1 / math.sqrt(self.width))
        # As an array of JAX, which ids can index: the variables of an export are of NumPy.
        self.table = jnp.asarray(self.param("table", init, (self.num_outputs, self.width)))
        self.bias = jnp.asarray(self.param("bias", nn.initializers.zeros_init(), (self.num_outputs,)))
        if self.positions == "learnt":
            self.position_table = jnp.asarray(self.param("positions", init, (self.max_length, self.width)))
        if self.token_types:
            self.param("types", init, (self.token_types, self.width))
        self.norm_in = LayerNorm(dtype=self.dtype)
        self.drop = Dropout(self.dropout_emb)
        shared: dict[str, Any] = {"width": self.width, "dropout": self.dropout, "dropout_att": self.dropout_att}
        shared["dtype"] = self.dtype
        activation, norm_first, norm_last = self.encoder_style
        self.encoder = [
            EncoderLayer(
                num_heads=self.encoder_heads,
                hidden_width=self.encoder_hidden_width,
                activation=activation,
                norm_first=norm_first,
                **shared,
            )
            for _ in range(self.encoder_layers)
        ]
        self.layers = [
            DecoderLayer(
                num_heads=self.num_heads,
                hidden_width=self.hidden_width,
                activation=self.activation,
                norm_first=self.norm_first,
                **shared,
            )
            for _ in range(self.num_layers)
        ]
        if norm_first and norm_last and self.encoder_layers:
            self.norm_encoder = LayerNorm(dtype=self.dtype)
        if self.norm_first and self.norm_last:
            self.norm_out = LayerNorm(dtype=self.dtype)

    @nn.compact
    def frames(
        self, encoded: Float[Any, "B T E"], num_frames: Int[Any, " B"], *, train: bool = False
    ) -> tuple[Float[Array, "B T D"], Bool[Array, "B 1 T"]]:
        """Computes the frames that the decoder attends to from those of the encoder, and which of them are real."""
        real = length_mask(jnp.asarray(num_frames), encoded.shape[1])
        x = jnp.where(real[..., None], encoded, 0).astype(self.dtype)  # padding holds anything
        if encoded.shape[-1] != self.width:
            x = nn.Dense(self.width, dtype=self.dtype, dot_general=dot_general, name="projection")(x)
        mask = real[:, None]
        for layer in self.encoder:
            x = layer(x, mask, train=train)
        _, norm_first, norm_last = self.encoder_style
        if self.encoder and norm_first and norm_last:
            x = self.norm_encoder(x)
        return x, mask

    def __call__(
        self,
        encoded: Float[Any, "B T E"],
        num_frames: Int[Any, " B"],
        ids: Int[Any, "B N"],
        *,
        train: bool = False,
    ) -> Float[Array, "B N D"]:
        """Computes the states after each token, from which `logits` gives the scores of the next one."""
        return self._whole(encoded, num_frames, ids, train=train)

    def cross_attention(
        self, encoded: Float[Any, "B T E"], num_frames: Int[Any, " B"], ids: Int[Any, "B N"], *, layers: Sequence[int]
    ) -> Float[Array, "B A N T"]:
        """Computes how much of each frame the decoder takes when it predicts the token after each of these.

        Args:
          encoded, num_frames: from the encoder.
          ids: prompt and text.
          layers: their numbers; negative ones count from the last.

        Returns:
          The weights of each of the A = layers x H heads; those of a token sum to 1, padding frames have 0.
        """
        seen = Watched(layers, self.num_layers)
        self._whole(encoded, num_frames, ids, train=False, watch=seen)
        return seen.heads()[:, 0]

    def logits(self, states: Float[Array, "... D"]) -> Float[Array, "... W"]:
        """Computes the scores of the next token; the last of the W are those of no token."""
        table = self.table.astype(self.dtype)
        contract = (((states.ndim - 1,), (1,)), ((), ()))
        return dot_general(states.astype(self.dtype), table, contract) + self.bias.astype(self.dtype)

    def start(
        self,
        encoded: Float[Any, "B T E"],
        num_frames: Int[Any, " B"],
        prompts: Int[Any, "B N"],
        num_prompts: Int[Any, " B"],
        *,
        room: Size,
    ) -> tuple[Float[Array, "B W"], Memory, Past]:
        """Reads the prompts.

        Args:
          encoded, num_frames: from the encoder.
          prompts, num_prompts: token ids, of which only the first of each row are real; a row has at least one.
          room: S, the most tokens of prompt and text.

        Returns:
          Logits of the first token of the text; the memory; the past of one hypothesis in each row.
        """
        x, frame_mask = self.frames(encoded, num_frames)
        if self.dtype != jnp.float32:
            # Else a GPU would pad all keys and values for its products, at each token.
            extra, room = _to_align(x.shape[1]), room + _to_align(room)
            x, frame_mask = jnp.pad(x, ((0, 0), (0, extra), (0, 0))), jnp.pad(frame_mask, ((0, 0), (0, 0), (0, extra)))
        memory = Memory(tuple(layer.cross(x) for layer in self.layers), frame_mask)
        size, counts = prompts.shape[1], jnp.asarray(num_prompts)
        first = size - counts
        # On the left of each prompt there is padding, so that all texts begin at the same place.
        ids = jnp.take_along_axis(jnp.asarray(prompts), jnp.maximum(jnp.arange(size) - first[:, None], 0), axis=1)
        shape = (ids.shape[0], self.num_heads, room, 1, self.width // self.num_heads)
        empty = KeysValues(jnp.zeros(shape, self.dtype), jnp.zeros(shape, self.dtype))
        slots = jnp.zeros((ids.shape[0], 1, room), jnp.int32)
        past = Past((empty,) * self.num_layers, slots, first, jnp.zeros((), jnp.int32))
        states, past = self._extend(ids[:, None], memory, past)
        return self.logits(states[:, 0, -1]), memory, past

    def step(self, ids: Int[Array, "B L"], memory: Memory, past: Past) -> tuple[Float[Array, "B L W"], Past]:
        """Adds a token to each hypothesis; returns the logits of the next one, and the past with it."""
        states, past = self._extend(ids[..., None], memory, past)
        return self.logits(states[:, :, 0]), past

    def watched_step(
        self, ids: Int[Array, "B L"], memory: Memory, past: Past, *, layers: Sequence[int]
    ) -> tuple[Float[Array, "B L W"], Past, Float[Array, "B L A T"]]:
        """Does what `step` does; returns also the weights of the frames, as `cross_attention`."""
        seen = Watched(layers, self.num_layers)
        states, past = self._extend(ids[..., None], memory, past, watch=seen)
        return self.logits(states[:, :, 0]), past, seen.heads()[:, :, :, 0]

    def _whole(
        self,
        encoded: Float[Any, "B T E"],
        num_frames: Int[Any, " B"],
        ids: Int[Any, "B N"],
        *,
        train: bool,
        watch: Watch | None = None,
    ) -> Float[Array, "B N D"]:
        x, frame_mask = self.frames(encoded, num_frames, train=train)
        causal = jnp.tril(jnp.ones((1, ids.shape[1], ids.shape[1]), bool))
        memory = Memory(tuple(layer.cross(x) for layer in self.layers), frame_mask)
        texts, places = jnp.asarray(ids)[:, None], jnp.arange(ids.shape[1])
        return self._run(texts, places, memory, lambda _, new: (new, causal), train, watch)[:, 0]

    def _extend(
        self, ids: Int[Array, "B L N"], memory: Memory, past: Past, *, watch: Watch | None = None
    ) -> tuple[Float[Array, "B L N D"], Past]:
        (rows, hypotheses, size), room = ids.shape, past.slots.shape[2]
        places = past.count + jnp.arange(size)
        seen = (jnp.arange(room) >= past.first[:, None, None]) & (jnp.arange(room) <= places[:, None])
        own_slots = jnp.broadcast_to(jnp.arange(hypotheses)[:, None], (rows, hypotheses, size))
        slots = jax.lax.dynamic_update_slice_in_dim(past.slots, own_slots, past.count, axis=2)
        is_own = slots[..., None] == jnp.arange(past.layers[0].keys.shape[3])
        mask = (seen[:, None, ..., None] & is_own[:, :, None]).reshape(rows, hypotheses * size, -1)
        kept: list[KeysValues] = []

        def own(layer: int, new: KeysValues) -> tuple[KeysValues, Bool[Array, "..."]]:
            def placed(old: Array, x: Array) -> Array:
                x = x.reshape(*x.shape[:2], hypotheses, size, -1).swapaxes(2, 3)
                return jax.lax.dynamic_update_slice_in_dim(old, x, past.count, axis=2)

            kept.append(jax.tree.map(placed, past.layers[layer], new))
            return jax.tree.map(lambda x: x.reshape(*x.shape[:2], -1, x.shape[-1]), kept[-1]), mask

        positions = jnp.maximum(places - past.first[:, None], 0)[:, None]
        states = self._run(ids, positions, memory, own, False, watch)
        return states, Past(tuple(kept), slots, past.first, past.count + size)

    def _run(
        self,
        ids: Int[Array, "B L N"],
        positions: Int[Array, "..."],
        memory: Memory,
        own: Any,
        train: bool,
        watch: Watch | None = None,
    ) -> Float[Array, "B L N D"]:
        if self.positions == "learnt":
            places = self.position_table[positions]
        else:
            places = sinusoids(positions.reshape(-1).astype(jnp.float32), self.width) / math.sqrt(self.width)
            places = places.reshape(*positions.shape, self.width)
        x = self.table[jnp.clip(ids, 0, self.num_outputs - 1)] + places
        x = self.drop(self.norm_in(x), train=train)
        for i, layer in enumerate(self.layers):
            see = None if watch is None else partial(watch, i)
            x = layer(x, memory.layers[i], memory.mask, partial(own, i), watch=see, train=train)
        return self.norm_out(x) if self.norm_first and self.norm_last else x


def _to_align(size: Size) -> int:
    """Returns how many more frames or tokens make the products of half precision faster."""
    return -size % ALIGNMENT if isinstance(size, int) else 0
