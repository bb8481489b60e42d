"""What makes spectra of the outputs from estimated masks: a product, a beamformer, a dereverberation, or nothing.

Every processor takes (spectra [B C N F], estimates [B M N F], num_frames [B]) and returns spectra [B K N F].
"""

from typing import Literal

import flax.linen as nn
from jaxtyping import Array, Complex, Float, Inexact, Int

from jaxspeech.errors import ConfigError
from jaxspeech.signal.beamformer import Beamformer, beamformed
from jaxspeech.signal.mask import limited
from jaxspeech.signal.wpe import WPE, dereverberated


class ReferenceChannel(nn.Module):
    """Multiplies each mask with one channel (NeMo's MaskReferenceChannel): K = M outputs.

    Attributes:
      channel: the one that is masked, counted from 0.
      least_db, most_db: limits of the mask.
    """

    channel: int = 0
    least_db: int | float = -200.0
    most_db: int | float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channel < 0:
            raise ConfigError(f"channel is {self.channel}: channels are counted from 0")
        if self.least_db >= self.most_db:
            raise ConfigError(f"least_db {self.least_db} must be below most_db {self.most_db}")

    def __call__(
        self, spectra: Complex[Array, "B C N F"], masks: Float[Array, "B M N F"], num_frames: Int[Array, " B"]
    ) -> Complex[Array, "B M N F"]:
        del num_frames
        if self.channel >= spectra.shape[1]:
            raise ConfigError(f"channel is {self.channel}: there are {spectra.shape[1]} channels, counted from 0")
        limits = {"least_db": self.least_db, "most_db": self.most_db}
        return limited(masks, **limits) * spectra[:, self.channel : self.channel + 1]


class MaskBeamformer(nn.Module):
    """Beamforms an output for each mask (NeMo's MaskBasedBeamformer): K = M, or M C with the reference "all".

    The fields are those of `signal.beamformer.Beamformer`, with which several channels become one, and this one:

    Attributes:
      subband_weights: whether the reference "max_snr" weights the bins by what it has learned.
    """

    beta: int | float = 0.0
    rank: Literal["one", "full"] = "one"
    loading: int | float = 1e-6
    epsilon: float = 1e-8
    reference: int | Literal["max_snr", "all"] = 0
    hard: bool = True
    straight_through: bool = False
    postfilter: Literal["none", "ban"] = "none"
    least_db: int | float = -200.0
    most_db: int | float = 0.0
    post_least_db: int | float = 0.0
    post_most_db: int | float = 0.0
    subband_weights: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.settings.check()

    @property
    def settings(self) -> Beamformer:
        """The same fields for the function."""
        return Beamformer(**{name: getattr(self, name) for name in Beamformer._fields})

    @nn.compact
    def __call__(
        self, spectra: Complex[Array, "B C N F"], masks: Float[Array, "B M N F"], num_frames: Int[Array, " B"]
    ) -> Complex[Array, "B K N F"]:
        bins = {}
        if self.subband_weights and self.reference == "max_snr":
            ones = nn.initializers.ones_init()
            bins = {f"{name}_bins": self.param(name, ones, spectra.shape[-1:]) for name in ("speech", "noise")}
        return beamformed(spectra, masks, num_frames, self.settings, **bins)


class MaskDereverberation(nn.Module):
    """Removes late reverberation, whose power masks tell (NeMo's MaskBasedDereverbWPE): K = C outputs for M = 1 or C.

    The fields are those of `signal.wpe.WPE`.
    """

    taps: int = 10
    delay: int = 3
    iterations: int = 3
    cascaded: bool = False
    loading: int | float = 1e-6
    epsilon: int | float = 1e-8
    least_db: int | float = -200.0
    most_db: int | float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.settings.check()

    @property
    def settings(self) -> WPE:
        """The same fields for the function."""
        return WPE(**{name: getattr(self, name) for name in WPE._fields})

    def __call__(
        self, spectra: Complex[Array, "B C N F"], masks: Float[Array, "B M N F"], num_frames: Int[Array, " B"]
    ) -> Complex[Array, "B C N F"]:
        return dereverberated(spectra, num_frames, self.settings, masks=masks)


class Spectrum(nn.Module):
    """Takes the estimates as they are: for estimators of the spectra themselves."""

    def __call__(
        self, spectra: Complex[Array, "B C N F"], estimates: Inexact[Array, "B M N F"], num_frames: Int[Array, " B"]
    ) -> Inexact[Array, "B M N F"]:
        del spectra, num_frames
        return estimates


PROCESSORS = {
    "beamformer": MaskBeamformer,
    "reference": ReferenceChannel,
    "spectrum": Spectrum,
    "wpe": MaskDereverberation,
}
