"""Computes how far around a frame a model looks, so that a long recording can be computed in overlapping windows.

Frames whose whole receptive field is inside a window are what they are in the whole recording.
"""

from typing import Any, NamedTuple

from jaxspeech.encoders.jasper import Jasper
from jaxspeech.features.framing import framing
from jaxspeech.features.mfcc import MFCC


class ReceptiveField(NamedTuple):
    """The encoder frames before and after a frame that can affect it."""

    before: int
    after: int

    @property
    def both(self) -> int:
        """The larger of the two."""
        return max(self)


def receptive_field(model: Any) -> ReceptiveField | None:
    """Returns the encoder frames around a frame that can affect it.

    None if all of the recording can: features normalised over the recording or limited relative to its peak, attention,
    recurrence, gates that average over time.
    """
    frontend, encoder = model.frontend, model.encoder
    whole = not frontend.log if isinstance(frontend, MFCC) else frontend.normalize != "none"
    if whole or not isinstance(encoder, Jasper) or any(block.squeeze_excite for block in encoder.blocks):
        return None
    # Feature frames: half a Fourier transform to either side, and the sample before it for the pre-emphasis.
    hop, fft = _hop_and_fft(frontend)
    half = fft // 2 + (hop // 2 if getattr(frontend, "exact_pad", False) else 0)
    before, after = -(-(half + 1) // hop), -(-half // hop)
    stride = 1
    for block in encoder.blocks:
        kernels = (block.kernel, *block.parallel_kernels)
        taps_after = max(block.taps_after(kernel) for kernel in kernels)
        taps_before = max(kernel - 1 - block.taps_after(kernel) for kernel in kernels)
        for step in block.strides:
            before += taps_before * block.dilation * stride
            after += taps_after * block.dilation * stride
            stride *= step
    # An encoder frame begins with its first feature frame, and has the samples up to the next one.
    return ReceptiveField(-(-before // stride), max(-(-after // stride) - 1, 0))


def _hop_and_fft(frontend: Any) -> tuple[int, int]:
    names = ("sample_rate", "window_seconds", "hop_seconds", "fft_size")
    sizes = framing(**{name: getattr(frontend, name) for name in names})
    return sizes.hop, sizes.fft
