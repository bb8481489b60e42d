"""A recurrent mask estimator (Yoshioka et al., 2018; NeMo's MaskEstimatorRNN).

x = W f + b;   y = LayerNorm(W_fc RNN(x) + b_fc) + x;   mask_m = sigmoid(W_m y + b_m)     for each of M outputs

f are the features of all channels of a frame (`signal.multichannel`). Both directions of the RNN run over the real
frames of a row only, so that a row does not depend on its batch.
"""

from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.masks import zero_padding
from jaxspeech.nn.both_directions import both_directions
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.gru import GRU
from jaxspeech.nn.initializers import dense
from jaxspeech.nn.lstm import LSTM
from jaxspeech.nn.normalization import LayerNorm
from jaxspeech.signal.multichannel import Normalization, Reduction, channel_features


class MaskRNN(nn.Module):
    """Estimates masks of M outputs from a spectrogram of one or several channels.

    Attributes:
      num_outputs: M.
      width: of the projected features, and of each direction of the RNN.
      num_layers: of the RNN.
      cell: "lstm" or "gru".
      bidirectional: whether each layer also runs backwards; a model for live use does not.
      dropout: between the layers of the RNN.
      magnitudes, magnitude_power, magnitude_norm: the magnitudes, see `signal.multichannel.channel_features`: the
        arguments `reduction`, `power` and `normalize`. NeMo's MaskEstimatorRNN has only the first.
      phase_differences: whether there are differences of phases as well.
      dtype: of the matrix products.
    """

    num_outputs: int = 1
    width: int = 1024
    num_layers: int = 3
    cell: Literal["lstm", "gru"] = "lstm"
    bidirectional: bool = True
    dropout: float = 0.0
    magnitudes: Reduction = "rms"
    magnitude_power: float | None = None
    magnitude_norm: Normalization = "none"
    phase_differences: bool = False
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cell not in ("lstm", "gru"):
            raise ConfigError(f"cell {self.cell!r}: use lstm or gru")

    @property
    def any_channels(self) -> bool:
        """Whether the parameters are the same for any number of channels."""
        return self.magnitudes != "none" and not self.phase_differences

    @nn.compact
    def __call__(
        self, spectra: Complex[Array, "B C N F"], num_frames: Int[Array, " B"], *, train: bool = False
    ) -> Float[Array, "B M N F"]:
        """Estimates the masks, in [0, 1]; zero beyond each row's frames."""
        features = channel_features(
            spectra,
            num_frames,
            reduction=self.magnitudes,
            power=self.magnitude_power,
            normalize=self.magnitude_norm,
            phase_differences=self.phase_differences,
        )
        features = jnp.moveaxis(features, 1, 2)
        features = features.reshape(*features.shape[:2], -1)
        x = dense(self.width, features.shape[-1], name="input", dtype=self.dtype)(zero_padding(features, num_frames))
        y = x
        for i in range(self.num_layers):
            y = Dropout(self.dropout, name=f"drop_{i}")(y, train=train) if i else y
            y = self._layer(y, num_frames, f"layers_{i}")
        y = dense(self.width, y.shape[-1], name="join", dtype=self.dtype)(y)
        y = LayerNorm(dtype=self.dtype, name="norm")(y) + x
        num_bins = spectra.shape[-1]
        masks = [
            jax.nn.sigmoid(dense(num_bins, self.width, name=f"output_{m}", dtype=self.dtype)(y).astype(jnp.float32))
            for m in range(self.num_outputs)
        ]
        return jnp.stack([zero_padding(mask, num_frames) for mask in masks], 1)

    def _layer(self, x: Float[Array, "B N D"], num_frames: Int[Array, " B"], name: str) -> Float[Array, "B N D_out"]:
        forward = self._cells(f"{name}_forward")
        if not self.bidirectional:
            return forward.from_zeros(x)
        return both_directions(x, num_frames, forward, self._cells(f"{name}_backward"))

    def _cells(self, name: str) -> LSTM | GRU:
        if self.cell == "gru":
            return GRU(self.width, dtype=self.dtype, name=name)
        return LSTM(self.width, forget_bias=0.0, dtype=self.dtype, name=name)
