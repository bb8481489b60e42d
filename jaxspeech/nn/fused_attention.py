"""Self-attention with one projection for query, key and value, and norms of the first two (Henry et al., 2020)."""

from jaxtyping import Array, Float

from jaxspeech.nn.attention import SelfAttention
from jaxspeech.nn.initializers import dense
from jaxspeech.nn.normalization import LayerNorm


class FusedSelfAttention(SelfAttention):
    """`SelfAttention`, whose `use_bias` is now the output projection's and the fused one's is `qkv_bias`.

    Attributes:
      qk_norm: normalise each head's query and key.
    """

    qkv_bias: bool = False
    qk_norm: bool = False

    def _project(self, x: Float[Array, "B T D"], heads: tuple[int, int]) -> tuple[Float[Array, "B T H K"], ...]:
        b, t, width = x.shape
        fused = dense(3 * width, width, name="qkv", dtype=self.dtype, use_bias=self.qkv_bias)(x)
        fused = fused.reshape(b, t, 3, *heads)
        query, key, value = fused[:, :, 0], fused[:, :, 1], fused[:, :, 2]
        if self.qk_norm:
            query = LayerNorm(dtype=self.dtype, name="norm_query")(query)
            key = LayerNorm(dtype=self.dtype, name="norm_key")(key)
        return query, key, value
