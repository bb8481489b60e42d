"""A projection with LoRA (Hu et al., 2022) beside its matrix.

y = x W + b + (alpha / r) dropout(x) A B          A [D_in r] and B [r D_out]

A is drawn from U(+-1/sqrt(D_in)), as in PEFT, and B is 0, so that the model is unchanged at the start. The sum W + A B
is never formed: its gradient would be as large as W, while those of A and B need two narrow products.
"""

import math
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.initializers import uniform_within
from jaxspeech.nn.int8 import int8_product
from jaxspeech.nn.products import dot_general


@dataclass(frozen=True)
class LoraOptions:
    """Options of LoRA beside the matrices of a decoder.

    Attributes:
      rank: r; 0: no LoRA.
      alpha: the change is scaled by alpha / r.
      dropout: of the change's input, in training.
      targets: the projections that have it.
    """

    rank: int = 0
    alpha: int | float = 32.0
    dropout: int | float = 0.0
    targets: tuple[str, ...] = ("query", "value")


class Projection(nn.Module):
    """A dense projection, with LoRA beside it where the options name it a target.

    Attributes:
      features: D_out.
      use_bias: whether it has a bias.
      lora: its options; the module's own name is looked up in the targets.
      int8: the matrix is one of `nn.int8`.
      dtype: of the products.
    """

    features: int
    use_bias: bool = False
    lora: LoraOptions = LoraOptions()
    int8: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*rows I"], *, train: bool = False) -> Float[Array, "*rows O"]:
        """Projects the last axis."""
        init = uniform_within(1.0 / math.sqrt(x.shape[-1]))
        x = x.astype(self.dtype)
        shape = (x.shape[-1], self.features)
        if self.int8:
            kernel = self.param("kernel", nn.initializers.zeros_init(), shape, jnp.int8)
            y = int8_product(x, kernel, self.param("kernel_scale", nn.initializers.ones_init(), shape[1:]))
        else:
            y = _product(x, self.param("kernel", init, shape))
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
            y += jnp.asarray(bias).astype(self.dtype)
        if self.lora.rank and self.name in self.lora.targets:
            a = self.param("lora_a", init, (x.shape[-1], self.lora.rank))
            b = self.param("lora_b", nn.initializers.zeros_init(), (self.lora.rank, self.features))
            x = Dropout(self.lora.dropout, name="drop")(x, train=train)
            y += _product(_product(x, a), b) * (self.lora.alpha / self.lora.rank)
        return y


def _product(x: Float[Array, "*rows I"], matrix: Any) -> Float[Array, "*rows O"]:
    return dot_general(x, jnp.asarray(matrix).astype(x.dtype), (((x.ndim - 1,), (0,)), ((), ())))
