"""A Conformer for complex spectra: the real and imaginary parts of all bins are the features of a frame.

x = [re 0, im 0, re 1, ...];  x = conformer(x);  y = W x    for each bin, W from 2 C to 2 M channels
"""

from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from jaxspeech.encoders.conformer_context import MODULE_FIELDS
from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.encoders.spectrum_planes import to_planes, to_spectra
from jaxspeech.errors import ConfigError
from jaxspeech.nn.convolution import Norm
from jaxspeech.nn.initializers import dense


class SpectrumConformer(nn.Module):
    """Estimates complex spectra; see `encoders.spectrum_planes.SpectrumEstimator`. It takes no time of a process.

    With the collection "history" mutable it takes the next part of each recording, and returns that part's spectra.

    Attributes:
      num_outputs: M, spectra of each recording that come out.
      The others are those of the same name in `FastConformer`.
    """

    num_layers: int
    width: int
    num_heads: int
    num_outputs: int = 1
    unet_skips: bool = False
    ff_expansion: int = 4
    attention: Literal["rel_pos", "abs_pos", "rel_pos_local"] = "rel_pos"
    attention_context: tuple[int, int] | tuple[tuple[int, int], ...] = (-1, -1)
    attention_context_weights: tuple[float, ...] | None = None
    attention_style: Literal["regular", "chunked_limited"] = "regular"
    xscaling: bool = False
    untied_biases: bool = True
    use_bias: bool = True
    conv_kernel: int = 9
    conv_context: tuple[int, int] | None = None
    conv_norm: Norm = "batch"
    conv_groups: int = 1
    norm_over_padding: bool = False
    dropout: float = 0.1
    dropout_pre_encoder: float = 0.1
    dropout_emb: float = 0.0
    dropout_att: float = 0.1
    stochastic_depth: float = 0.0
    stochastic_depth_mode: Literal["linear", "uniform"] = "linear"
    stochastic_depth_start: int = 1
    remat: Literal["none", "dots", "full"] = "dots"
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.num_heads:
            raise ConfigError(f"width {self.width} is not divisible by num_heads, {self.num_heads}")
        FastConformer(**self._fields(None), parent=None)  # which checks them

    @nn.compact
    def __call__(
        self,
        spectra: Complex[Array, "B C N F"],
        num_frames: Int[Array, " B"],
        condition: Float[Array, " B"] | None = None,
        *,
        train: bool = False,
    ) -> Complex[Array, "B M N F"]:
        """Computes spectra, with zeros from num_frames on."""
        if condition is not None:
            raise ConfigError("a Conformer of spectra takes no time of a process")
        planes = to_planes(spectra, num_frames)
        b, n, bins, channels = planes.shape
        features = planes.transpose(0, 1, 3, 2).reshape(b, n, channels * bins)
        conformer = FastConformer(**self._fields(channels * bins), name="conformer")
        x, num_frames = conformer(features, num_frames, train=train)
        x = x.reshape(b, n, channels, bins).transpose(0, 1, 3, 2).astype(jnp.float32)
        parts = dense(2 * self.num_outputs, channels, name="out", dtype=jnp.float32)(x)
        parts = parts.reshape(b, n, bins, self.num_outputs, 2)
        return to_spectra(parts[..., 0], parts[..., 1], num_frames)

    def _fields(self, features: int | None) -> dict[str, Any]:
        """Returns the fields of the encoder of so many features."""
        same = [name for name in FastConformer.__dataclass_fields__ if name not in MODULE_FIELDS]
        fields = {name: getattr(self, name) for name in same if name in type(self).__dataclass_fields__}
        width = None if features == self.width else features
        rate = {"subsampling": "striding", "subsampling_factor": 1}  # one projection
        return fields | rate | {"output_width": width, "scan_layers": False}
