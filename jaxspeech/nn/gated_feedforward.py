"""The gated feed-forward branch, SwiGLU (Shazeer, 2020): y = W_down (silu(W_gate x) * W_up x)."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.nn.low_rank import LoraOptions, Projection
from jaxspeech.nn.materialize import separate


class GatedFeedForward(nn.Module):
    """Three projections without biases.

    Attributes:
      width: D, of the input and the output.
      hidden_width: of the gate.
      lora: beside the projections "gate", "up" and "down".
      int8: of the projections.
      dtype: of the products.
    """

    width: int
    hidden_width: int
    lora: LoraOptions = LoraOptions()
    int8: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*rows D"], *, train: bool = False) -> Float[Array, "*rows D"]:
        """Computes y for each position by itself."""
        options: dict[str, Any] = {"lora": self.lora, "int8": self.int8, "dtype": self.dtype}
        # Not made one product of, for which their matrices would be joined for every token that is generated.
        gate = Projection(self.hidden_width, **options, name="gate")(separate(x, 0), train=train)
        up = Projection(self.hidden_width, **options, name="up")(separate(x, 1), train=train)
        return Projection(self.width, **options, name="down")(jax.nn.silu(gate) * up, train=train)
