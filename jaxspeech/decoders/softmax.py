"""The head of masked prediction: a softmax over the codes of each book, for every encoder frame."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float


class CodeSoftmax(nn.Module):
    """Computes logits of the V codes of each of H books, from one projection (NeMo's MultiSoftmaxDecoder).

    Output v H + h of the projection is code v of book h.

    Attributes:
      num_codes, num_books: V and H, those of the quantizer.
      use_bias: of the projection.
      dtype: of the matrix product.
    """

    num_codes: int = 8192
    num_books: int = 1
    use_bias: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, encoded: Float[Array, "B T D"]) -> Float[Array, "B T V H"]:
        glorot = nn.initializers.glorot_uniform()
        outputs = self.num_codes * self.num_books
        logits = nn.Dense(outputs, use_bias=self.use_bias, dtype=self.dtype, kernel_init=glorot, name="codes")(encoded)
        return logits.reshape(*logits.shape[:2], self.num_codes, self.num_books)
