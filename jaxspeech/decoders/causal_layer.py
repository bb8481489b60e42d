"""One layer of a decoder-only Transformer, with norms before the branches.

x += Attention(norm x)
x += FeedForward(norm x)
"""

from typing import Any

import flax.linen as nn
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.nn.gated_feedforward import GatedFeedForward
from jaxspeech.nn.grouped_attention import GroupedAttention
from jaxspeech.nn.key_value_attention import KeysValues
from jaxspeech.nn.low_rank import LoraOptions
from jaxspeech.nn.rms_norm import RMSNorm
from jaxspeech.nn.rotary import Rotation


class CausalLayer(nn.Module):
    """A layer; its fields are those of the same name in `CausalTransformer`."""

    width: int
    num_heads: int
    num_groups: int
    head_width: int
    hidden_width: int
    norm_epsilon: float
    query_key_norm: bool
    biases: bool
    lora: LoraOptions
    int8: bool
    dtype: Any

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B N D"],
        turn: Rotation,
        seen: Bool[Array, "#B N S"],
        past: KeysValues | None = None,
        places: Int[Array, "B N"] | None = None,
        train: bool = False,
    ) -> tuple[Float[Array, "B N D"], KeysValues]:
        """Computes the layer's output, and what `GroupedAttention` returns beside its own."""
        attention = GroupedAttention(
            self.width,
            self.num_heads,
            self.num_groups,
            self.head_width,
            norm_epsilon=self.norm_epsilon if self.query_key_norm else None,
            biases=self.biases,
            lora=self.lora,
            int8=self.int8,
            dtype=self.dtype,
            name="attention",
        )
        feedforward = GatedFeedForward(
            self.width, self.hidden_width, lora=self.lora, int8=self.int8, dtype=self.dtype, name="feedforward"
        )
        y, attended = attention(self._norm("attention_norm", x), turn, seen, past, places, train=train)
        x += y
        return x + feedforward(self._norm("feedforward_norm", x), train=train), attended

    def _norm(self, name: str, x: Float[Array, "B N D"]) -> Float[Array, "B N D"]:
        return RMSNorm(epsilon=self.norm_epsilon, dtype=self.dtype, name=name)(x)
