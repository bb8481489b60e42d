"""A Transformer with the skips of a U-Net for complex spectra (Le et al., "Voicebox", 2023; Vyas et al., 2023).

x = W [re 0, im 0, re 1, ...];  x += gelu(depthwise conv(x))
x = W [x, skip / sqrt 2]                                    for the second half of the layers
x += MHSA(norm(x, c));  x += W ((W x') gelu(W x'))          x' = norm(x, c), c = swish(W [sin wt, cos wt])
y = W norm(x)
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int

from jaxspeech.encoders.shared_layer import apply_shared, can_share
from jaxspeech.encoders.spectrum_planes import to_planes, to_spectra
from jaxspeech.errors import ConfigError
from jaxspeech.masks import length_mask
from jaxspeech.nn.depthwise import depthwise_conv1d
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.initializers import dense, uniform_within
from jaxspeech.nn.linear_bias_attention import LinearBiasAttention, first_slopes
from jaxspeech.nn.rms_norm import RMSNorm


class GatedFeedForward(nn.Module):
    """W_down (W_up x gelu(W_gate x)) (GEGLU: Shazeer, 2020), with 2/3 of the hidden width, which has as many weights.

    Attributes:
      expansion: hidden width of an ungated module as a multiple of D.
    """

    expansion: int
    dropout: float
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"], *, train: bool) -> Float[Array, "B T D"]:
        width = x.shape[-1]
        hidden = int(width * self.expansion * 2 / 3)
        x, gate = jnp.split(dense(2 * hidden, width, name="up", dtype=self.dtype)(x), 2, axis=-1)
        x = Dropout(self.dropout)(x * jax.nn.gelu(gate, approximate=False), train=train)
        return dense(width, hidden, name="down", dtype=self.dtype)(x)


class TransformerUNetLayer(nn.Module):
    """One layer; its fields are those of the same name in `TransformerUNet`."""

    num_heads: int
    ff_expansion: int
    dropout: float
    dropout_att: float
    dtype: Any

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B T D"],
        mask: Bool[Array, "B T"],
        slopes: Float[Array, " H"],
        embedded: Float[Array, "B E"] | None,
        train: bool = False,
    ) -> Float[Array, "B T D"]:
        y = RMSNorm(self.dtype, name="norm_attention")(x, embedded)
        attention = LinearBiasAttention(self.num_heads, self.dropout_att, self.dtype, name="attention")
        x += attention(y, mask, slopes, train=train)
        y = RMSNorm(self.dtype, name="norm_ff")(x, embedded)
        return x + GatedFeedForward(self.ff_expansion, self.dropout, self.dtype, name="ff")(y, train=train)


class TransformerUNet(nn.Module):
    """Estimates complex spectra; see `encoders.spectrum_planes.SpectrumEstimator`.

    Attributes:
      num_layers, width, num_heads: L, even, D, H.
      num_outputs: M, spectra of each recording that come out.
      conditioned_on_time: whether the norms depend on the time of a generative process.
      time_width: of what the time is embedded in; None for 4 D.
      ff_expansion: see `GatedFeedForward`.
      conv_kernel: taps of the convolution by which frames know their place, odd.
      dropout, dropout_att: in the feed-forward modules, of the attention weights.
      remat: recompute each layer's activations in the backward pass instead of storing them.
      dtype: of the matrix products; parameters, statistics and softmax stay float32.
    """

    num_layers: int
    width: int
    num_heads: int
    num_outputs: int = 1
    conditioned_on_time: bool = True
    time_width: int | None = None
    ff_expansion: int = 4
    conv_kernel: int = 31
    dropout: float = 0.0
    dropout_att: float = 0.0
    remat: bool = True
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_layers % 2:
            raise ConfigError(f"num_layers {self.num_layers}: it must be even, to have two halves")
        if self.width % self.num_heads or self.width % 2:
            raise ConfigError(f"width {self.width} must be even, and a multiple of {self.num_heads} heads")
        if self.conv_kernel % 2 == 0:
            raise ConfigError(f"conv_kernel {self.conv_kernel} must be odd")

    @nn.compact
    def __call__(
        self,
        spectra: Complex[Array, "B C N F"],
        num_frames: Int[Array, " B"],
        condition: Float[Array, " B"] | None = None,
        *,
        train: bool = False,
    ) -> Complex[Array, "B M N F"]:
        """Computes spectra, with zeros from num_frames on.

        Args:
          spectra, num_frames: of the recordings.
          condition: time of each, if the network is conditioned on it.
          train: whether gradients will be computed.
        """
        if (condition is None) == self.conditioned_on_time:
            wanted = "needs the time of the process" if self.conditioned_on_time else "takes no time"
            raise ConfigError(f"a Transformer U-Net with conditioned_on_time {self.conditioned_on_time} {wanted}")
        planes = to_planes(spectra, num_frames)
        b, n, bins, channels = planes.shape
        features = planes.transpose(0, 1, 3, 2).reshape(b, n, channels * bins)
        mask = length_mask(num_frames, n)
        x = dense(self.width, channels * bins, name="in", dtype=self.dtype)(features)
        x += jnp.where(mask[:, :, None], self._places(jnp.where(mask[:, :, None], x, 0.0)), 0.0)
        embedded = None if condition is None else self._embed(condition)
        slopes = self.param("slopes", lambda key: jnp.asarray(first_slopes(self.num_heads)))

        fields = (self.num_heads, self.ff_expansion, self.dropout, self.dropout_att, self.dtype)
        layer_class = nn.remat(TransformerUNetLayer, static_argnums=(5,)) if self.remat else TransformerUNetLayer
        skipped: list[Array] = []
        for i in range(self.num_layers):
            if i < self.num_layers // 2:
                skipped.append(x)
            else:
                both = jnp.concatenate([x, skipped.pop() / math.sqrt(2.0)], -1)
                x = dense(self.width, 2 * self.width, name=f"skip_{i}", dtype=self.dtype)(both)
            if can_share(self, train=train):
                x = apply_shared(TransformerUNetLayer(*fields, name=f"layers_{i}"), x, mask, slopes, embedded)
            else:
                x = layer_class(*fields, name=f"layers_{i}")(x, mask, slopes, embedded, train)

        x = RMSNorm(self.dtype, name="norm_out")(x)
        x = dense(2 * self.num_outputs * bins, self.width, name="out", dtype=self.dtype)(x)
        parts = x.reshape(b, n, self.num_outputs, 2, bins).transpose(0, 1, 4, 2, 3)
        return to_spectra(parts[..., 0], parts[..., 1], num_frames)

    def _places(self, x: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
        """Convolves each channel along time."""
        taps = self.conv_kernel
        init = uniform_within(1.0 / math.sqrt(taps))
        kernel = self.param("places_kernel", init, (taps, self.width))
        bias = self.param("places_bias", init, (self.width,))
        y = depthwise_conv1d(x, kernel.astype(x.dtype), padding=(taps // 2, taps // 2))
        return jax.nn.gelu(y + bias.astype(x.dtype), approximate=False)

    def _embed(self, time: Float[Array, " B"]) -> Float[Array, "B E"]:
        """Expands the time in frequencies that are learnt, and projects that."""
        half = self.width // 2
        frequencies = self.param("frequencies", nn.initializers.normal(1.0), (half,))
        angle = time.astype(jnp.float32)[:, None] * frequencies * 2 * math.pi
        x = jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], -1)
        x = dense(self.time_width or 4 * self.width, self.width, name="time", dtype=jnp.float32)(x)
        return jax.nn.swish(x)
