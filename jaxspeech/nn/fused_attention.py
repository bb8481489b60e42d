"""Self-attention with one fused projection, and optional norms of query and key (Henry et al., 2020)."""

from jaxtyping import Array, Float

from jaxspeech.nn.attention import SelfAttention
from jaxspeech.nn.initializers import dense
from jaxspeech.nn.normalization import LayerNorm


class FusedSelfAttention(SelfAttention):
    """`SelfAttention` with a fused projection to query, key and value; `use_bias` is for the output projection alone.

    Attributes:
      qkv_bias: a bias on the fused projection.
      qk_norm: normalise each head's query and key.
    """

    qkv_bias: bool = False
    qk_norm: bool = False

    def _project(
        self, x: Float[Array, "B T D"], heads: tuple[int, int], *, apart: bool
    ) -> tuple[Float[Array, "B T H K"], ...]:
        del apart  # one product is what this module is for
        b, t, width = x.shape
        fused = dense(3 * width, width, name="qkv", dtype=self.dtype, use_bias=self.qkv_bias)(x)
        fused = fused.reshape(b, t, 3, *heads)
        query, key, value = fused[:, :, 0], fused[:, :, 1], fused[:, :, 2]
        if self.qk_norm:
            query = LayerNorm(dtype=self.dtype, name="norm_query")(query)
            key = LayerNorm(dtype=self.dtype, name="norm_key")(key)
        return query, key, value
